"""What worker processes report, told to whoever watches the run in the process that started them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan

if TYPE_CHECKING:
    from robustbench_snn.execution.session import Session
    from robustbench_snn.training import TrainingProgress

_EVERY = 0.5
"""Seconds between two reports of batches, or of samples, of one cell."""


class Relay:
    """Is a :class:`robustbench_snn.execution.session.Progress` of a worker process.

    Args:
        send: takes one event, ``(what, place of the cell in the plan, values)``, at once.
        plan: the worker's.
    """

    def __init__(self, send: Callable[[Any], object], plan: Plan) -> None:
        self._send, self._places = send, plan.places

    def training(self, cell: TrainCell) -> _TrainingRelay:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._tell("training", cell)
        return _TrainingRelay(lambda event, *values: self._tell(event, cell, *values))

    def evaluating(self, cell: EvaluateCell) -> Callable[[int, int], None]:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._tell("evaluating", cell)
        due = _Due()

        def advance(done: int, total: int) -> None:
            if due():
                self._tell("samples", cell, done, total)

        return advance

    def waiting(self, cell: Cell, owner: str) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._tell("waiting", cell, owner)

    def finished(self, cell: Cell, record: object, cached: bool) -> None:
        """Whoever takes the record tells this."""

    def _tell(self, event: str, cell: Cell, *values: Any) -> None:
        self._send((event, self._places[cell], values))


class _TrainingRelay:
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell, self._due = tell, _Due()

    def batch(self, *values: Any) -> None:
        if self._due():
            self._tell("batch", *values)

    def epoch(self, *values: Any) -> None:
        self._tell("epoch", *values)


class _Due:
    """True at most once in :data:`_EVERY` seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _EVERY
        return True


class Listener:
    """Tells the progress of a session what the relays of its workers send.

    Args:
        session: whose progress is told.
    """

    def __init__(self, session: Session) -> None:
        self._progress, self._cells = session.progress, session.plan.cells
        self._trainings: dict[int, TrainingProgress | None] = {}
        self._evaluations: dict[int, Callable[[int, int], None]] = {}
        self._waited_for: set[int] = set()

    def hear(self, event: str, place: int, values: Any) -> None:
        """Takes one event of a relay."""
        if (progress := self._progress) is None:
            return
        cell = self._cells[place]
        if event == "waiting":
            if place not in self._waited_for:  # every worker may have come to it
                self._waited_for.add(place)
                progress.waiting(cell, *values)
        elif event == "samples":
            self._evaluations[place](*values)
        elif isinstance(cell, EvaluateCell):
            self._evaluations[place] = progress.evaluating(cell)
        elif event == "training":
            self._trainings[place] = progress.training(cell)
        elif (training := self._trainings[place]) is not None:
            training.batch(*values) if event == "batch" else training.epoch(*values)
