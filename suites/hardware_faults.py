"""Accuracy under faults of the hardware that a network runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from robustbench_snn.conditions.judging import probe_of
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.fault.injection import Injection, Sites, find_sites, injected
from robustbench_snn.fault.kinds import NEURONS, RATELESS, SYNAPSES, Fault, FaultName, LayerKind
from robustbench_snn.fault.outcome import INCOMPLETE, FaultCurve, fault_columns, fault_metrics
from robustbench_snn.fault.survey import survey

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

Rate = Annotated[float, Field(ge=0, le=1)]
GROUPS: Mapping[str, Sequence[FaultName]] = {"all": (*NEURONS, *SYNAPSES), "neurons": NEURONS, "synapses": SYNAPSES}
RATES = (1e-4, 1e-3, 1e-2, 1e-1)


@register_evaluation("hardware_faults", version=1, takes="both")
class HardwareFaults(Evaluation):
    """Accuracy with broken neurons and synapses, uneven thresholds and leaks, and weights of few bits.

    The list of faults is SpikeFI's. Each kind is a cell of its own, run at every rate with several draws of sites; a
    site is a neuron or a weight, the same for all samples and steps. ``accuracy`` is the mean over the kinds of the
    mean over their rates; ``correct`` is the same mean for each sample. ``critical_rate`` is the lowest rate at which
    5 points of the clean accuracy are lost, interpolated over the logarithm of the rate; left out where they never
    are. docs/hardware-faults.md has the formulae. A model in which a fault finds nothing to break is refused.

    Args:
        faults: kinds; or ``neurons`` (``dead``, ``saturated``, ``stuck``, ``random``, ``threshold``, ``leak``),
            ``synapses`` (``synapse_dead``, ``synapse_saturated``, ``weight_noise``, ``bitflip_int8``,
            ``bitflip_float32``, ``int8``, ``int4``), or ``all``.
        layers: where they strike. ``encoder``, ``backbone``, ``attention``, ``mlp`` and ``head`` are parts of the
            model that have this word in their module's name; ``conv`` and ``linear`` are layers of weights by type,
            and the neurons that such a layer drives; ``norm`` is the weights of norms alone.
        rates: probability that a site is hit; of ``threshold``, ``leak`` and ``weight_noise``, which hit all, the
            relative standard deviation. ``int8`` and ``int4`` have none.
        draws: random draws of sites at each rate; of a stochastic model, each with a forward pass of its own.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "area": "area %",
        "worst_fault_accuracy": "worst fault's %",
        "critical_rate": "fault rate that costs 5 points",
        "critical_mismatch": "mismatch that costs 5 points",
    }

    faults: Annotated[list[FaultName], Field(min_length=1)] | Literal["all", "neurons", "synapses"] = "all"
    layers: LayerKind = "all"
    rates: Annotated[list[Rate], Field(min_length=1)] = field(default_factory=lambda: list(RATES))
    draws: PositiveInt = 3

    def __post_init__(self) -> None:
        self.names = fault_names(self.faults)
        self.rates = sorted(set(self.rates))

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """One cell a kind of fault: a run that is killed loses one."""
        return [{**parameters, "faults": [name]} for name in fault_names(parameters.get("faults", "all"))]

    @classmethod
    def combine(cls, parts: Sequence[Record]) -> Mapping[str, float]:
        """All metrics over all kinds of faults of one model."""
        curves = {name: FaultCurve.read(found) for part in parts for name, found in part.details["faults"].items()}
        return fault_metrics(curves, parts[0].metrics["clean_accuracy"])

    def run(self, subject: Subject) -> Outcome:
        """Breaks the model once a kind, rate and draw, and runs all samples each time."""
        target = subject.target
        images, random = probe_of(subject)
        found = survey(target, images, random)
        sites = {name: find_sites(target, name, self.layers, found, images, random) for name in self.names}
        drawn = 1 + sum(self._draws(subject, name) * len(self._rates(name)) for name in self.names)
        done, total = 0, drawn * len(subject.samples)

        def report(samples: int) -> None:
            nonlocal done
            done += samples
            subject.progress(done, total)

        clean = _mean([_right(subject, draw, report) for draw in range(self.draws if target.stochastic else 1)])
        shares: dict[str, Tensor] = {}
        curves: dict[str, FaultCurve] = {}
        for name in self.names:
            shares[name], curves[name] = self._curve(subject, name, sites[name], report)
        accuracy = float(clean.double().mean())
        return Outcome(
            metrics=fault_metrics(curves, accuracy),
            columns=fault_columns(shares, self.rates, clean),
            details={
                "layers": self.layers,
                "faults": {name: curve.details(accuracy) for name, curve in curves.items()},
            },
            flags=[INCOMPLETE] if any(one.beyond for one in sites.values()) else [],
        )

    def _curve(
        self, subject: Subject, name: FaultName, sites: Sites, report: Callable[[int], None]
    ) -> tuple[Tensor, FaultCurve]:
        """Share of right draws at each rate, float32 (R, N), and their curve."""
        rates, rows, hits = self._rates(name), [], []
        for rate in rates:
            right, struck = [], []
            for draw in range(self._draws(subject, name)):
                fault = Fault(name, rate, self.layers, subject.seed, draw)
                with injected(subject.target, sites, fault) as injection:
                    right.append(_right(subject, draw, report, injection))
                    struck.append(injection.hits)
            rows.append(_mean(right))
            hits.append(sum(struck) / len(struck))
        shares = torch.stack(rows)
        accuracies = tuple(float(row.double().mean()) for row in shares)
        kept = () if name in RATELESS else tuple(rates)
        return shares, FaultCurve(kept, accuracies, tuple(hits), sites.count, sites.beyond)

    def _rates(self, name: FaultName) -> list[float]:
        return [0.0] if name in RATELESS else self.rates

    def _draws(self, subject: Subject, name: FaultName) -> int:
        return 1 if name in RATELESS and not subject.target.stochastic else self.draws


def fault_names(faults: Sequence[FaultName] | str) -> list[FaultName]:
    """The kinds of faults that a suite file's ``faults`` stands for: a list, or the name of a group."""
    return list(GROUPS[faults]) if isinstance(faults, str) else list(dict.fromkeys(faults))


def _right(subject: Subject, draw: int, report: Callable[[int], None], injection: Injection | None = None) -> Tensor:
    """Whether each sample is right, bool (N,); ``draw`` is that of a stochastic model, as in the evaluation clean."""
    found: list[Tensor] = []
    size = 1 if subject.target.one_at_a_time else subject.batch_size
    for batch in subject.samples.batches(size, subject.device):
        if injection is not None:
            injection.begin()
        with torch.no_grad():
            logits = subject.target(batch.images, batch.random(subject.seed, "clean", draw))
        found.append(correct(logits, batch.labels).cpu())
        report(len(batch))
    return torch.cat(found)


def _mean(right: Sequence[Tensor]) -> Tensor:
    """Share of the draws that were right, float32 (N,)."""
    return torch.stack(list(right)).float().mean(0)
