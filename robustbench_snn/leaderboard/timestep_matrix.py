"""T of training against T of inference: one matrix from a grid of models trained at several T."""

from __future__ import annotations

import re
from dataclasses import dataclass

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.store.records import content_key


@dataclass(frozen=True)
class TimestepMatrix:
    """Accuracy of one model, trained at each of some T, run at each of some T.

    Attributes:
        name: the model's, without its T.
        trained: T of training, rising.
        inferred: T of inference, rising.
        accuracy: in [0, 1], a row a T of training; None where it was not measured.
    """

    name: str
    trained: tuple[int, ...]
    inferred: tuple[int, ...]
    accuracy: tuple[tuple[float | None, ...], ...]


def timestep_matrices(table: Table, evaluation: str = "timesteps", condition: str = "") -> list[TimestepMatrix]:
    """Assembles the matrices of a table whose grid has several ``timesteps``.

    Models that differ in nothing but their T of training, and in a ``T4`` at the end of their name, form a matrix.

    Args:
        table: of a suite that was run.
        evaluation: label of the evaluation that sweeps T.
        condition: one of its conditions; the first if empty.

    Raises:
        UserError: if no two models of the table differ in nothing but T, or none was swept.
    """
    groups: dict[str, dict[int, Row]] = {}
    for row in table.rows:
        if evaluation in row.cells:
            alike = {name: part for name, part in row.identity.items() if name != "timesteps"}
            groups.setdefault(content_key(model=alike, name=_name(row)), {})[row.timesteps] = row
    front = f"{condition}/accuracy_T" if condition else "accuracy_T"
    found = [_matrix(rows, evaluation, front) for rows in groups.values() if len(rows) > 1]
    if not any(matrix.inferred for matrix in found):
        raise UserError(
            f"table {table.name} has no models that differ in their timesteps alone, with accuracy by T under "
            f"'{evaluation}': give the suite a grid: with several timesteps, and the evaluation timesteps"
        )
    return found


def _name(row: Row) -> str:
    """The model's name without its T, which a grid puts at the end."""
    return re.sub(rf"\s*\bT{row.timesteps}$", "", row.model)


def _matrix(rows: dict[int, Row], evaluation: str, front: str) -> TimestepMatrix:
    trained = tuple(sorted(rows))
    shares: dict[int, dict[int, float]] = {
        steps: {
            int(name.removeprefix(front)): share
            for name, share in rows[steps].cells[evaluation].metrics.items()
            if name.startswith(front) and name.removeprefix(front).isdigit()
        }
        for steps in trained
    }
    inferred = tuple(sorted({steps for row in shares.values() for steps in row}))
    return TimestepMatrix(
        name=_name(rows[trained[0]]),
        trained=trained,
        inferred=inferred,
        accuracy=tuple(tuple(shares[steps].get(other) for other in inferred) for steps in trained),
    )
