"""Accuracy under common corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from robustbench_snn.conditions.condition import Condition, ConditionSpec
from robustbench_snn.conditions.judging import probe_of, shares_right
from robustbench_snn.corruption.contract import EXTRA, STANDARD
from robustbench_snn.corruption.published import Kind, PublishedCorruptions
from robustbench_snn.corruption.samples import CorruptedSamples, PublishedSamples
from robustbench_snn.corruption.scores import ReferenceModel, score
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.model.target import Target
from robustbench_snn.registry import corruptions
from robustbench_snn.timesteps.sweep import Sweep, as_trained, overruns, plan_sweep, trained_timesteps

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

Severity = Annotated[int, Field(ge=1, le=5)]
Steps = Annotated[int, Field(ge=1, le=1024)]
Share = Annotated[float, Field(ge=0, le=1)]
SETS: Mapping[str, Sequence[str]] = {"standard": STANDARD, "all": (*STANDARD, *EXTRA)}
ALL: list[int] = [1, 2, 3, 4, 5]


class Reference(BaseModel):
    """The model that normalises the mCE, as suite files give it.

    Attributes:
        name: of the model.
        clean: its accuracy on clean images.
        accuracy: its accuracy by type and severity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    clean: Share
    accuracy: Mapping[str, Mapping[int, Share]]


@register_evaluation("corruptions", version=1)
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
        "worst_type_accuracy": "worst type %",
    }

    def __init__(
        self,
        *,
        types: Annotated[list[str], Field(min_length=1)] | Literal["standard", "all"] = "standard",
        severities: Annotated[list[Severity], Field(min_length=1)] = ALL,
        source: Literal["generated", "published"] = "generated",
        root: str | None = None,
        published: Kind = "cifar10-c",
        reference: Reference | None = None,
        timesteps: Annotated[list[Steps], Field(min_length=1)] | Literal["auto"] | None = None,
        under: ConditionSpec = Condition(),  # noqa: B008 (frozen)
        clean: bool = True,
        draws: Annotated[int, Field(ge=1)] = 5,
    ) -> None:
        self.types = type_names(types)
        self.severities = sorted(set(severities))
        self.set = None
        if (source == "published") != (root is not None):
            raise UserError("corruptions: a published set needs its folder as 'root', and only a published set has one")
        if root is not None:
            self.set = PublishedCorruptions(root, published)
            self.set.require(self.types)
        if under.corruption is not None:
            raise UserError("corruptions: 'under' takes an attack; the corruptions are listed in 'types'")
        self.reference = reference
        for name in self.types if reference else ():
            missing = set(self.severities) - set(reference.accuracy.get(name, {})) if reference else set()
            if missing:
                raise UserError(f"the reference model has no accuracy for {name} at severities {sorted(missing)}")
        self.timesteps = timesteps
        self.under = under
        self.clean = clean
        self.draws = draws

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """One cell a type: a run that is killed loses one type."""
        clean = parameters.get("clean", True)
        names = type_names(parameters.get("types", "standard"))
        return [{**parameters, "types": [name], "clean": clean and number == 0} for number, name in enumerate(names)]

    @classmethod
    def combine(cls, parts: Sequence[Record]) -> Mapping[str, float]:
        """All scores over all types of one model."""
        table = {
            name: {int(severity): share for severity, share in row.items()}
            for part in parts
            for name, row in part.details["accuracy"].items()
        }
        clean = next((part.metrics["clean_accuracy"] for part in parts if "clean_accuracy" in part.metrics), None)
        given = parts[0].details["reference"]
        steps = sorted(set.intersection(*(set(part.metrics) for part in parts)))
        by_steps = {
            name: sum(part.metrics[name] for part in parts) / len(parts)
            for name in steps
            if name.startswith("accuracy_T")
        }
        return scores(table, clean, Reference(**given) if given else None) | by_steps

    def run(self, subject: Subject) -> Outcome:
        """Fetches, corrupts and judges batch by batch."""
        sweep = self._sweep(subject)
        trained = sweep.timesteps.index(subject.target.timesteps or 0)
        passes = len(self.types) * len(self.severities) + self.clean
        done = 0

        def judge(samples: Samples, condition: Condition, steps: Sweep) -> Tensor:
            nonlocal done
            done += len(samples)
            before = done - len(samples)
            part = replace(subject, samples=samples)
            at = 0

            def report(count: int) -> None:
                nonlocal at
                at += count
                subject.progress(before + at, passes * len(samples))

            return shares_right(part, steps, condition, self.draws, report)

        shares = {
            (name, severity): judge(self._corrupted(subject, name, severity), self.under, sweep)
            for name in self.types
            for severity in self.severities
        }
        clean = judge(subject.samples, Condition(), as_trained(subject.target))[0] if self.clean else None
        return self._outcome(shares, clean, sweep, trained, subject.target)

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

    def _outcome(
        self,
        shares: Mapping[tuple[str, int], Tensor],
        clean: Tensor | None,
        sweep: Sweep,
        trained: int,
        target: Target,
    ) -> Outcome:
        table = {
            name: {severity: _mean(shares[name, severity][trained]) for severity in self.severities}
            for name in self.types
        }
        clean_accuracy = None if clean is None else _mean(clean)
        metrics = scores(table, clean_accuracy, self.reference)
        columns = {
            f"correct_s{severity}": torch.stack([shares[name, severity][trained] for name in self.types]).mean(0)
            for severity in self.severities
        }
        columns["correct"] = torch.stack(list(columns.values())).mean(0)
        if clean is not None:
            columns["correct_clean"] = clean
        details: dict[str, Any] = {
            "accuracy": {
                name: {str(severity): share for severity, share in row.items()} for name, row in table.items()
            },
            "worst_type": score(table, clean_accuracy or 0.0).worst_type,
            "source": "generated" if self.set is None else f"published: {self.set.kind}",
            "mce": "not normalised: the mean error" if self.reference is None else f"against {self.reference.name}",
            "reference": self.reference.model_dump(mode="json") if self.reference else None,
            "under": self.under.name,
        }
        if self.timesteps is not None:
            details |= {"timesteps": list(sweep.timesteps), "way": sweep.way, "reason": sweep.reason}
            details["overrun"] = overruns(target, sweep.timesteps)
            details["by_timesteps"] = {
                name: {str(s): shares[name, s].double().mean(1).tolist() for s in self.severities}
                for name in self.types
            }
            everything = torch.stack(list(shares.values())).double().mean((0, 2)).tolist()
            metrics |= {f"accuracy_T{t}": share for t, share in zip(sweep.timesteps, everything, strict=True)}
        return Outcome(
            metrics=metrics, columns={name: column.numpy() for name, column in columns.items()}, details=details
        )


def type_names(types: Sequence[str] | str) -> list[str]:
    """The corruption types that a suite file's ``types`` stands for.

    Raises:
        UserError: if a name is unknown.
    """
    names = list(SETS[types]) if isinstance(types, str) else list(dict.fromkeys(types))
    for name in names:
        corruptions.declaration(name)
    return names


def scores(
    table: Mapping[str, Mapping[int, float]], clean: float | None, reference: Reference | None
) -> dict[str, float]:
    """All scores of accuracies by type and severity.

    Returns:
        ``accuracy``, ``accuracy_s<n>``, ``accuracy_<type>``, ``worst_type_accuracy``, ``mce_unnormalised``; with a
        reference ``mce`` and, if the clean accuracy is known, ``relative_mce``; with it also ``clean_accuracy`` and,
        unless it is 0, ``rpc``.
    """
    model = None
    if reference is not None:
        model = ReferenceModel(reference.name, reference.accuracy, reference.clean)
    found = score(table, clean or 0.0, model)
    metrics = {
        "accuracy": found.mean_accuracy,
        "mce_unnormalised": 1.0 - found.mean_accuracy,
        "worst_type_accuracy": found.worst_accuracy,
        **{f"accuracy_s{severity}": share for severity, share in found.by_severity.items()},
        **{f"accuracy_{name}": share for name, share in found.by_type.items()},
    }
    if model is not None:
        metrics["mce"] = found.mce
    if clean is not None:
        metrics["clean_accuracy"] = clean
        if clean > 0:
            metrics["rpc"] = found.rpc
        if found.relative_mce is not None:
            metrics["relative_mce"] = found.relative_mce
    return metrics


def _mean(shares: Tensor) -> float:
    return float(shares.double().mean())
