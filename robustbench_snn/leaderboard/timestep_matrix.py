"""T of training against T of inference: one matrix from a grid of models trained at several T."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import AnyRow, AnyTable
from robustbench_snn.plan.keys import content_key


@dataclass(frozen=True)
class TimestepMatrix:
    """Accuracy of a model that was trained at several T and evaluated at several T.

    Attributes:
        name: the model's, without its T.
        trained: T at training, rising; one row each.
        inferred: T at inference, rising; one column each.
        accuracy: in [0, 1], by row and column; None where it was not measured.
    """

    name: str
    trained: tuple[int, ...]
    inferred: tuple[int, ...]
    accuracy: tuple[tuple[float | None, ...], ...]


def timestep_matrices(table: AnyTable, evaluation: str = "timesteps", condition: str = "") -> list[TimestepMatrix]:
    """The matrices of a table whose grid has several ``timesteps``.

    Rows of the table make one matrix if their models have the same components and, but for a T at its end (``T4``),
    the same name.

    Args:
        table: of a suite that was run.
        evaluation: label of the evaluation that sweeps T.
        condition: one of its conditions (``fog_3``); its first condition if empty.

    Raises:
        UserError: if no two models of the table differ in their T at training alone, or none was evaluated at
            several T.
    """
    groups: dict[str, list[AnyRow]] = {}
    for row in table.rows:
        if evaluation in row.cells:
            components = {kind: part for kind, part in row.identity.items() if kind != "timesteps"}
            groups.setdefault(content_key(model=components, name=_name_without_t(row)), []).append(row)
    metric = f"{condition}/accuracy_T" if condition else "accuracy_T"
    found = [_matrix(rows, evaluation, metric) for rows in groups.values() if len(rows) > 1]
    if not any(matrix.inferred for matrix in found):
        raise UserError(
            f"table {table.name} has no models that differ in their timesteps alone, with accuracy by T under "
            f"'{evaluation}': give the suite a grid: with several timesteps, and the evaluation timesteps"
        )
    return found


def _name_without_t(row: AnyRow) -> str:
    return re.sub(rf"\s*\bT{row.timesteps}$", "", row.model)


def _matrix(rows: list[AnyRow], evaluation: str, metric: str) -> TimestepMatrix:
    rows = sorted(rows, key=lambda row: row.timesteps)
    by_row = [_accuracy_by_t(row.cells[evaluation].metrics, metric) for row in rows]
    inferred = sorted({timesteps for accuracies in by_row for timesteps in accuracies})
    return TimestepMatrix(
        name=_name_without_t(rows[0]),
        trained=tuple(row.timesteps for row in rows),
        inferred=tuple(inferred),
        accuracy=tuple(tuple(accuracies.get(timesteps) for timesteps in inferred) for accuracies in by_row),
    )


def _accuracy_by_t(metrics: Mapping[str, float], metric: str) -> dict[int, float]:
    """The metrics ``accuracy_T1``, ``accuracy_T2``, ... by T, for ``metric`` = ``accuracy_T``."""
    steps = {name: name.removeprefix(metric) for name in metrics if name.startswith(metric)}
    return {int(digits): metrics[name] for name, digits in steps.items() if digits.isdigit()}
