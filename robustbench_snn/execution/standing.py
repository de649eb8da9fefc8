"""What of a plan a store has: done, failed at the last try, or left; nothing is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

State = Literal["done", "failed", "left"]


@dataclass(frozen=True)
class CellStanding:
    """A cell and what it has left so far.

    Attributes:
        cell: a training or an evaluation.
        key: None for an evaluation whose models are not all trained: its key holds their weights.
        record: the finished one, or that of the last failed try, or None.
    """

    cell: Cell
    key: str | None
    record: Record | None

    @property
    def state(self) -> State:
        """Whether a run would take it as it is, try it again, or compute it for the first time."""
        return "left" if self.record is None else self.record.status


@dataclass(frozen=True)
class Counts:
    """How many cells of a plan are in each state.

    Attributes:
        done: have a finished record.
        failed: failed at the last try; the next run tries them again.
        left: were not computed yet.
    """

    done: int
    failed: int
    left: int

    @property
    def total(self) -> int:
        """All cells."""
        return self.done + self.failed + self.left


def standing(plan: Plan, store: Store) -> tuple[CellStanding, ...]:
    """Where every cell of a plan stands, each training followed by its evaluations.

    Args:
        plan: the cells.
        store: the records; a damaged one is set aside, as a run does.
    """
    trained = {cell.peer_name: _looked_up(cell, key_of(cell), store) for cell in plan.train}
    return tuple(
        found
        for train in plan.train
        for found in (
            trained[train.peer_name],
            *(_evaluation(cell, plan, store, trained) for cell in plan.evaluations_of(train)),
        )
    )


def counted(standings: Sequence[CellStanding]) -> Counts:
    """How many of some cells are in each state."""
    found = Counter(one.state for one in standings)
    return Counts(found["done"], found["failed"], found["left"])


def _evaluation(cell: EvaluateCell, plan: Plan, store: Store, trained: dict[str, CellStanding]) -> CellStanding:
    behind = [trained[train.peer_name] for train in plan.models_behind(cell)]
    weights = {
        one.cell.peer_name: one.record.weights_sha256
        for one in behind
        if isinstance(one.cell, TrainCell) and one.record is not None and one.record.weights_sha256 is not None
    }
    waiting = any(one.state == "left" for one in behind)  # an evaluation runs without the peers that failed
    if waiting or cell.train.peer_name not in weights:
        return CellStanding(cell, None, None)
    return _looked_up(cell, key_of(cell, weights), store)


def _looked_up(cell: Cell, key: str, store: Store) -> CellStanding:
    return CellStanding(cell, key, store.get(key) or store.failure(key))
