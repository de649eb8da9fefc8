"""Scores over common corruptions (Hendrycks and Dietterich, 2019, arXiv:1903.12261).

All functions take a table ``accuracy[type][severity]`` of accuracies in [0, 1], the same severities for every type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from robustbench_snn.errors import UserError
from robustbench_snn.strict import Strict

Table: TypeAlias = Mapping[str, Mapping[int, float]]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Reference(Strict):
    """The model that normalises the mCE, as suite files give it.

    Attributes:
        name: name of the model, shown beside the mCE (the authors used AlexNet on ImageNet-C).
        clean: its accuracy on clean images, in [0, 1].
        accuracy: its accuracy by type and severity, at least those of the table that is scored.
    """

    name: str
    clean: Share
    accuracy: Mapping[str, Mapping[int, Share]]

    def error(self, corruption: str, severities: Sequence[int]) -> float:
        """Sum of its errors under one type over these severities.

        Raises:
            UserError: naming the severities that its table lacks.
        """
        row = self.accuracy.get(corruption, {})
        missing = [severity for severity in severities if severity not in row]
        if missing:
            raise UserError(f"the reference model {self.name} has no accuracy for {corruption} at severities {missing}")
        return _error(row, severities)


@dataclass(frozen=True)
class CorruptionScores:
    """The scores of one table of accuracies.

    Attributes:
        mean_accuracy: mean accuracy over all types and severities.
        mce: mean corruption error, normalised by the reference model's errors; without a reference the plain mean
            error, as the authors report it on CIFAR-10-C.
        relative_mce: mean corruption error of the increase over the clean error; None without a reference.
        rpc: mean accuracy divided by the clean accuracy (relative performance under corruption, Michaelis et al.,
            2019, arXiv:1907.07484); NaN if the clean accuracy is 0.
        worst_type: the corruption type with the lowest mean accuracy.
        worst_accuracy: mean accuracy of the worst type over its severities.
        by_type: mean accuracy of each type.
        by_severity: mean accuracy of each severity.
        reference: the reference model's name; None if the errors are not normalised.
    """

    mean_accuracy: float
    mce: float
    relative_mce: float | None
    rpc: float
    worst_type: str
    worst_accuracy: float
    by_type: Mapping[str, float]
    by_severity: Mapping[int, float]
    reference: str | None


def score(accuracy: Table, clean: float, reference: Reference | None = None) -> CorruptionScores:
    """All scores of a table at once.

    Args:
        accuracy: in [0, 1], by type and severity.
        clean: accuracy on clean images, in [0, 1].
        reference: the model whose errors normalise the mCE; None for the plain mean error.

    Raises:
        UserError: if the table is empty or ragged, a value is no share, or the reference lacks an entry.
    """
    by_type = accuracy_by_type(accuracy)
    worst = worst_type(accuracy)
    return CorruptionScores(
        mean_accuracy=mean_accuracy(accuracy),
        mce=mean_corruption_error(accuracy, reference),
        relative_mce=None if reference is None else relative_mean_corruption_error(accuracy, clean, reference),
        rpc=relative_performance(accuracy, clean),
        worst_type=worst,
        worst_accuracy=by_type[worst],
        by_type=by_type,
        by_severity=accuracy_by_severity(accuracy),
        reference=None if reference is None else reference.name,
    )


def accuracy_by_type(accuracy: Table) -> dict[str, float]:
    """Mean accuracy of each type over its severities."""
    severities = _check(accuracy)
    return {name: _mean([row[severity] for severity in severities]) for name, row in accuracy.items()}


def accuracy_by_severity(accuracy: Table) -> dict[int, float]:
    """Mean accuracy of each severity over the types."""
    severities = _check(accuracy)
    return {severity: _mean([row[severity] for row in accuracy.values()]) for severity in severities}


def mean_accuracy(accuracy: Table) -> float:
    """Mean over all types and severities."""
    return _mean(list(accuracy_by_type(accuracy).values()))


def worst_type(accuracy: Table) -> str:
    """The type with the lowest mean accuracy; of several the first by name."""
    means = accuracy_by_type(accuracy)
    return min(sorted(means), key=lambda name: means[name])


def relative_performance(accuracy: Table, clean: float) -> float:
    """rPC: the mean accuracy divided by the clean accuracy; NaN if the clean accuracy is 0."""
    mean = mean_accuracy(accuracy)
    _check_share(clean, "the clean accuracy")
    return mean / clean if clean else math.nan


def mean_corruption_error(accuracy: Table, reference: Reference | None = None) -> float:
    """mCE: mean over types of the error summed over severities, divided by the reference model's.

    Args:
        accuracy: in [0, 1], by type and severity.
        reference: None for the plain mean error.

    Returns:
        the mCE, infinite if the reference makes no error on a type.
    """
    severities = _check(accuracy)
    if reference is None:
        return 1 - mean_accuracy(accuracy)
    return _mean([_ratio(_error(row, severities), reference.error(n, severities)) for n, row in accuracy.items()])


def relative_mean_corruption_error(accuracy: Table, clean: float, reference: Reference) -> float:
    """Relative mCE: as the mCE, with each model's clean error subtracted from its errors."""
    severities = _check(accuracy)
    _check_share(clean, "the clean accuracy")
    count = len(severities)
    ratios = []
    for name, row in accuracy.items():
        ours = _error(row, severities) - count * (1 - clean)
        theirs = reference.error(name, severities) - count * (1 - reference.clean)
        ratios.append(_ratio(ours, theirs))
    return _mean(ratios)


def _error(row: Mapping[int, float], severities: Sequence[int]) -> float:
    return math.fsum(1 - row[severity] for severity in severities)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else math.inf


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _check(accuracy: Table) -> list[int]:
    """The severities, in order, that all types share.

    Raises:
        UserError: if the table is empty or ragged, or a value lies outside [0, 1].
    """
    if not accuracy or not all(accuracy.values()):
        raise UserError("no corruption accuracies to score")
    severities = {name: sorted(row) for name, row in accuracy.items()}
    first, expected = next(iter(severities.items()))
    for name, found in severities.items():
        if found != expected:
            raise UserError(f"{name} was measured at severities {found} but {first} at {expected}; measure the same")
        for severity in found:
            _check_share(accuracy[name][severity], f"the accuracy for {name} at severity {severity}")
    return expected


def _check_share(value: float, what: str) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"{what} must lie in [0, 1], got {value}")
