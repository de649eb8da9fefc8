"""In which order cells are computed, the same for every executor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Record


class Schedule:
    """Says which cells may be computed, as others finish.

    The trainings may start at once. The evaluations of a model may start when its training is done; those of a
    failed training are left out. Evaluations that need the suite's other models start when all other cells are
    finished.

    Args:
        plan: the cells.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._unfinished = len(plan.train)
        self._last: list[EvaluateCell] = []

    def first(self) -> Sequence[Cell]:
        """The cells that may start at once."""
        return self._plan.train

    def after(self, cell: Cell, record: Record) -> Sequence[Cell]:
        """The cells that may start now that this one has left its record.

        Args:
            cell: a cell that this schedule gave before; each is to be reported once.
            record: what it left, done or failed.
        """
        ready: list[EvaluateCell] = []
        if isinstance(cell, TrainCell) and record.status == "done":
            for evaluation in self._plan.evaluations_of(cell):
                (self._last if evaluation.needs_peers else ready).append(evaluation)
        self._unfinished += len(ready) - 1
        if self._unfinished == 0:
            ready, self._last = self._last, []
            self._unfinished = len(ready)
        return ready


class Queue:
    """Cells that may be computed now, in the order in which they are best begun.

    A model's evaluations come before further trainings, so that its row is there early. Trainings come first once
    fewer wait than there are workers: the last one alone would leave the other workers nothing to do.

    Args:
        workers: how many compute at a time.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._trainings: deque[Cell] = deque()
        self._evaluations: deque[Cell] = deque()

    def __len__(self) -> int:
        return len(self._trainings) + len(self._evaluations)

    def add(self, cells: Iterable[Cell]) -> None:
        """Adds cells behind the others of their kind."""
        for cell in cells:
            self._of_its_kind(cell).append(cell)

    def add_first(self, cell: Cell) -> None:
        """Adds a cell before the others of its kind: one that was begun before."""
        self._of_its_kind(cell).appendleft(cell)

    def take(self) -> Cell:
        """The cell to begin next, which leaves the queue; the queue is not empty."""
        training = 0 < len(self._trainings) < self._workers or not self._evaluations
        return (self._trainings if training else self._evaluations).popleft()

    def _of_its_kind(self, cell: Cell) -> deque[Cell]:
        return self._trainings if isinstance(cell, TrainCell) else self._evaluations
