"""Accuracy under common corruptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.conditions.condition import Condition, ConditionSpec
from robustbench_snn.conditions.judging import probe_of
from robustbench_snn.corruption.contract import EXTRA, SEVERITIES, STANDARD
from robustbench_snn.corruption.outcome import corruption_outcome
from robustbench_snn.corruption.published import Kind, PublishedCorruptions
from robustbench_snn.corruption.samples import CorruptedSamples, PublishedSamples
from robustbench_snn.corruption.scores import Reference
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.registry import corruptions
from robustbench_snn.suites._by_type import Severity, cells_by_type, names_of, scores_of_all, shares_by_type
from robustbench_snn.timesteps.sweep import Sweep, as_trained, overruns, plan_sweep, trained_timesteps

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

Steps = Annotated[int, Field(ge=1, le=1024)]
SETS: Mapping[str, Sequence[str]] = {"standard": STANDARD, "all": (*STANDARD, *EXTRA)}


@register_evaluation("corruptions", version=2)  # 1 had no worst_type_error
class Corruptions(Evaluation):
    """Accuracy under common corruptions (Hendrycks and Dietterich, 2019, arXiv:1903.12261).

    Each type is a cell of its own. ``accuracy`` is the mean over types and severities; ``correct`` is, for each
    sample, the share of them that were right.

    Args:
        types: names, or ``standard`` (the 15 that are scored) or ``all`` (with the 4 extra ones).
        severities: 1 to 5.
        source: ``generated`` here from the samples, or ``published`` files. The two never share a column.
        root: folder of the published set.
        published: which set it is.
        reference: the model whose errors the mCE is measured in; without one, as the authors do on CIFAR, ``mce`` is
            left out and ``mce_unnormalised`` is the mean error.
        timesteps: inference T as well, for accuracy by type, severity and T; ``auto`` is 1 to twice the T of
            training. Left out, only the T of training.
        under: an attack upon the corrupted images, such as ``{attack: fgsm, eps: 1/255}``.
        clean: measure the clean accuracy too, which rPC and relative mCE need; only the first type's cell does.
        draws: forward passes of a stochastic model.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "mce_unnormalised": "mean error %",
        "mce": "mCE %",
        "relative_mce": "relative mCE %",
        "rpc": "rPC %",
        "worst_type_error": "worst type's error %",
    }

    places: ClassVar[frozenset[str]] = frozenset({"root"})

    types: Annotated[list[str], Field(min_length=1)] | Literal["standard", "all"] = "standard"
    severities: Annotated[list[Severity], Field(min_length=1)] = field(default_factory=lambda: list(SEVERITIES))
    source: Literal["generated", "published"] = "generated"
    root: str | None = None
    published: Kind = "cifar10-c"
    reference: Reference | None = None
    timesteps: Annotated[list[Steps], Field(min_length=1)] | Literal["auto"] | None = None
    under: ConditionSpec = Condition()
    clean: bool = True
    draws: Count = 5

    def __post_init__(self) -> None:
        self.names = names_of(self.types, SETS, corruptions)
        self.severities = sorted(set(self.severities))
        self.set: PublishedCorruptions | None = None
        if (self.source == "published") != (self.root is not None):
            raise UserError("corruptions: a published set needs its folder as 'root', and only a published set has one")
        if self.root is not None:
            self.set = PublishedCorruptions(self.root, self.published)
            self.set.require(self.names)
        if self.under.corruption is not None:
            raise UserError("corruptions: 'under' takes an attack; the corruptions are listed in 'types'")
        if self.reference is not None:
            for name in self.names:
                self.reference.error(name, self.severities)  # raises now what would else be raised after hours

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`; published images owe nothing to the corruptions here."""
        made_here = self.names if self.set is None else []
        return [*super().components(), *(("corruptions", name) for name in made_here)]

    def content(self) -> Mapping[str, str]:
        """See :meth:`Evaluation.content`."""
        return {} if self.set is None else self.set.content(self.names, self.severities)

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """One cell a type."""
        return cells_by_type(parameters, names_of(parameters.get("types", "standard"), SETS, corruptions))

    @classmethod
    def combine(cls, parts: Sequence[Record]) -> Mapping[str, float]:
        """All scores over all types of one model."""
        return scores_of_all(parts)

    def run(self, subject: Subject) -> Outcome:
        """Fetches, corrupts and judges batch by batch."""
        sweep = self._sweep(subject)
        sets = {pair: partial(self._corrupted, subject, *pair) for pair in product(self.names, self.severities)}
        shares, clean = shares_by_type(subject, sets, sweep, clean=self.clean, draws=self.draws, under=self.under)
        trained = sweep.timesteps.index(subject.target.timesteps or 0)
        outcome = corruption_outcome(
            {pair: rows[trained] for pair, rows in shares.items()},
            clean,
            self.reference,
            source="generated" if self.set is None else f"published: {self.set.kind}",
            under=self.under.name,
        )
        return outcome if self.timesteps is None else self._with_timesteps(outcome, shares, sweep, subject)

    def _sweep(self, subject: Subject) -> Sweep:
        if self.timesteps is None:
            return as_trained(subject.target)
        own = trained_timesteps(subject.target)
        steps = range(1, 2 * own + 1) if self.timesteps == "auto" else [*self.timesteps, own]
        return plan_sweep(subject.target, tuple(steps), *probe_of(subject))

    def _corrupted(self, subject: Subject, name: str, severity: int) -> Samples:
        if self.set is not None:
            return PublishedSamples(subject.samples, self.set, name, severity)
        return CorruptedSamples(subject.samples, name, severity, subject.seed, subject.device)

    def _with_timesteps(
        self, outcome: Outcome, shares: Mapping[tuple[str, int], Tensor], sweep: Sweep, subject: Subject
    ) -> Outcome:
        """The outcome with the accuracy at each T of the sweep, from shares of right answers (S, N)."""
        details = {
            "timesteps": list(sweep.timesteps),
            "way": sweep.way,
            "reason": sweep.reason,
            "overrun": overruns(subject.target, sweep.timesteps),
            "by_timesteps": {
                name: {str(s): shares[name, s].double().mean(1).tolist() for s in self.severities}
                for name in self.names
            },
        }
        everything = torch.stack(list(shares.values())).double().mean((0, 2)).tolist()
        metrics = {f"accuracy_T{steps}": share for steps, share in zip(sweep.timesteps, everything, strict=True)}
        return replace(outcome, metrics={**outcome.metrics, **metrics}, details={**outcome.details, **details})
