"""The series that a page's figures draw, from a table and its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from robustbench_snn.leaderboard.table import Row
from robustbench_snn.publishing.columns import Column
from robustbench_snn.store.records import Record

Records = Mapping[str, Record]
"""Records by key."""

Severities = Mapping[str, Mapping[str, float]]
"""Accuracy in [0, 1] by corruption and severity."""

_STRONG = ("snn_standard", "autoattack", "attack", "pgd")


def mean_of(values: Iterable[float]) -> float:
    """Their mean; there is at least one."""
    found = list(values)
    return sum(found) / len(found)


def severities(row: Row, label: str, records: Records) -> Severities:
    """Accuracy by corruption and severity, averaged over the seeds; empty where the records do not tell."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in _records(row, label, records):
        accuracy = record.details.get("accuracy")
        for kind, shares in accuracy.items() if isinstance(accuracy, Mapping) else ():
            for severity, share in shares.items() if isinstance(shares, Mapping) else ():
                if isinstance(share, int | float):
                    found.setdefault(kind, {}).setdefault(str(severity), []).append(share)
    return {
        kind: {severity: mean_of(shares) for severity, shares in sorted(by_severity.items())}
        for kind, by_severity in sorted(found.items())
    }


def eps_curve(row: Row, label: str, records: Records) -> list[tuple[float, float]]:
    """Robust accuracy by eps, averaged over the seeds that have the point; empty where there is no curve."""
    found: dict[float, list[float]] = {}
    for record in _records(row, label, records):
        for point in record.details.get("curve", ()):
            found.setdefault(float(point["eps"]), []).append(float(point["accuracy"]))
    return [(eps, mean_of(shares)) for eps, shares in sorted(found.items())]


def training_curves(row: Row, records: Records) -> dict[int, list[Mapping[str, Any]]]:
    """The epochs of every seed's training, as recorded."""
    found = (records[key] for key in row.training if key in records)
    return {
        record.seed: list(record.details["history"])
        for record in sorted(found, key=lambda record: record.seed)
        if record.details.get("history")
    }


def robust_column(columns: Iterable[Column], names: Mapping[str, str]) -> Column | None:
    """The attack that stands for robustness in a scatter: the strongest kind that the table has.

    Args:
        columns: of the table.
        names: of the evaluations, by label.
    """
    attacks = [column for column in columns if column.group == "attacks" and column.metric == "accuracy"]
    for name in _STRONG:
        for column in attacks:
            if names.get(column.label) == name:
                return column
    return attacks[-1] if attacks else None


def pareto_front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, robustness) that no other one beats: none costs less and is as robust, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, robust in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or robust > front[-1][1]:
            front.append((cost, robust))
    return front


def _records(row: Row, label: str, records: Records) -> list[Record]:
    score = row.cells.get(label)
    return [records[key] for key in score.records if key in records] if score else []
