"""What a published table has of a suite already: seeds of a row, or all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    Of a row that lacks nothing each seed stands for itself; one that lacks anything is computed as a whole.

    Args:
        plan: of the table's protocol.
        published: the table.

    Raises:
        UserError: if a row has a model's name and is of another model, or lacks something and the suite does not say
            all of its seeds.
    """
    rows = {row.model: row for row in published.table.rows}
    left: dict[str, list[int]] = {}
    for entry in plan.suite.entries():
        cells = [cell for cell in plan.train if cell.model.name == entry.name]
        row = rows.get(entry.name)
        stands = set(_standing(plan, cells, row, published)) if row else set()
        left[entry.name] = [cell.seed for cell in cells if cell not in stands]
    return make_plan(plan.suite.with_seeds(left), plan.dataset)


def _standing(plan: Plan, cells: list[TrainCell], row: Row, published: Published) -> Iterator[TrainCell]:
    """The trainings of a row's model that the row has."""
    keys = {key_of(cell): cell for cell in cells}
    trainings = published.trainings([row])
    identities = [_without_seed(canonical(cell.identity)) for cell in cells]
    others = [record for record in trainings if _without_seed(record.identity) not in identities]
    complete = not row.gaps and not row.failures
    if others or not (complete or keys.keys() >= set(row.training)):
        told = "it is another one" if others else "it is not complete, so that all of its seeds have to be run"
        raise UserError(
            f"{published.title} has a model '{row.model}' already, and {told} (trainings "
            f"{', '.join(key[:12] for key in row.training)}, here {', '.join(sorted(k[:12] for k in keys))}); "
            + ("give yours another name" if others else "state them")
        )
    for record in trainings if complete else []:
        cell = keys.get(record.key)
        weights = {cell.peer_name: record.weights_sha256 or ""} if cell else {}
        if cell and all(key_of(asked, weights) in published.records for asked in plan.evaluations_of(cell)):
            yield cell


def _without_seed(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in ("seed", "key_version", "kind")}
