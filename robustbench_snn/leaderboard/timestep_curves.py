"""Accuracy over inference T, for all models of a table: what figures and pages draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import AnyTable

PER_STEP = "accuracy_T"


@dataclass(frozen=True)
class Curve:
    """Accuracy of one model over inference T, under one condition.

    Attributes:
        model: the row's name.
        trained: T of training.
        samples: n.
        accuracy: in [0, 1], by T, rising.
    """

    model: str
    trained: int
    samples: int
    accuracy: Mapping[int, float]


def timestep_curves(table: AnyTable, evaluation: str = "timesteps") -> dict[str, list[Curve]]:
    """The curves of all models of a table, by condition.

    Args:
        table: a table with an evaluation that sweeps T.
        evaluation: its label.

    Returns:
        curves by condition; the first condition's key is ``""``.

    Raises:
        UserError: if no model of the table has such a curve.
    """
    found: dict[str, list[Curve]] = {}
    for row in table.rows:
        cell = row.cells.get(evaluation)
        if cell is None:
            continue
        by_condition: dict[str, dict[int, float]] = {}
        for name, share in cell.metrics.items():
            condition, _, metric = name.rpartition("/")
            if metric.startswith(PER_STEP) and metric.removeprefix(PER_STEP).isdigit():
                by_condition.setdefault(condition, {})[int(metric.removeprefix(PER_STEP))] = share
        for condition, shares in by_condition.items():
            curve = Curve(row.model, row.timesteps, cell.samples, dict(sorted(shares.items())))
            found.setdefault(condition, []).append(curve)
    if not found:
        raise UserError(
            f"no model of table {table.name} has accuracy by timestep under '{evaluation}'; it has "
            f"{', '.join(table.columns)}: add the evaluation timesteps to the suite, or name another"
        )
    return found
