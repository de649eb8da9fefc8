"""What a published table has of a suite already: seeds of a row, or all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustbench_snn.digests import canonical
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.published import Published
from robustbench_snn.leaderboard.table import Row
from robustbench_snn.plan.cells import TrainCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan, make_plan


def without_published(plan: Plan, published: Published) -> Plan:
    """The plan without the trainings that stand in a table with all of their evaluations.

    Seeds of a row stand if the row lacks nothing, and all that the suite asks of it is there; else the row is computed
    as a whole, and the new one takes its place.

    Args:
        plan: of the table's protocol.
        published: the table.

    Raises:
        UserError: if a row has a model's name and is of another model, or has to be computed as a whole and the
            suite does not say all of its seeds.
    """
    rows = {row.model: row for row in published.table.rows}
    left: dict[str, list[int]] = {}
    for entry in plan.suite.entries():
        cells = [cell for cell in plan.train if cell.model.name == entry.name]
        row = rows.get(entry.name)
        stands = _standing(plan, cells, row, published) if row else []
        left[entry.name] = [cell.seed for cell in cells if cell not in stands]
    return make_plan(plan.suite.with_seeds(left), plan.dataset)


def _standing(plan: Plan, cells: list[TrainCell], row: Row, published: Published) -> list[TrainCell]:
    """The trainings of a row's model that the row has: all that are asked for, or none."""
    recorded = {record.seed: record for record in published.trainings([row])}
    keys = {cell: key_of(cell) for cell in cells}
    asked = [cell for cell in cells if cell.seed in recorded or keys[cell] in row.training]
    identities = [_without_seed(canonical(cell.identity)) for cell in cells]
    is_same = all(_without_seed(record.identity) in identities for record in recorded.values())
    if is_same and not row.gaps and not row.failures and all(_is_there(plan, cell, published) for cell in asked):
        return asked
    if is_same and set(row.training) <= set(keys.values()):
        return []
    why = "cannot stand as it is here: run all of its seeds, with the program that made it"
    raise UserError(
        f"{published.title} has a model '{row.model}' already, and it "
        f"{why if is_same else 'is another one: give yours another name'} "
        f"(trainings {', '.join(key[:12] for key in row.training)}, here "
        f"{', '.join(sorted(key[:12] for key in keys.values()))})"
    )


def _is_there(plan: Plan, cell: TrainCell, published: Published) -> bool:
    training = published.records.get(key_of(cell))
    if training is None or training.weights_sha256 is None:
        return False
    weights = {cell.peer_name: training.weights_sha256}
    return all(key_of(asked, weights) in published.records for asked in plan.evaluations_of(cell))


def _without_seed(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in ("seed", "key_version", "kind")}
