"""What worker processes report, told to whoever watches the run in the process that started them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Record

if TYPE_CHECKING:
    from robustbench_snn.execution.session import Session
    from robustbench_snn.training import TrainingProgress

_EVERY = 0.5
"""Seconds between two reports of batches, or of samples, of one cell."""
_POLL = 0.05


class Relay:
    """Is a :class:`robustbench_snn.execution.session.Progress` of a worker process.

    Args:
        events: written to at once, so that an event is there before the result of its cell.
        plan: the worker's; cells are named by their place in it.
    """

    def __init__(self, events: SimpleQueue[Any], plan: Plan) -> None:
        self._events = events
        self._places = {id(cell): place for place, cell in enumerate(plan.cells)}

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

    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._tell("finished", cell, record)

    def _tell(self, event: str, cell: Cell, *values: Any) -> None:
        self._events.put((event, self._places[id(cell)], values))


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


@contextmanager
def relayed(events: SimpleQueue[Any], session: Session) -> Iterator[None]:
    """Tells the session's progress, in a thread, what workers report while inside.

    Raises:
        Exception: what the progress raised; the events after that are dropped.
    """
    stop = Event()
    listener = _Listener(session)
    thread = Thread(target=listener.listen, args=(events, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)  # a worker that was killed may have left half an event
    if listener.error is not None:
        raise listener.error


class _Listener:
    def __init__(self, session: Session) -> None:
        self._session, self._cells = session, session.plan.cells
        self._trainings: dict[int, TrainingProgress | None] = {}
        self._evaluations: dict[int, Callable[[int, int], None]] = {}
        self.error: Exception | None = None

    def listen(self, events: SimpleQueue[Any], stop: Event) -> None:
        """Goes on until it is stopped and nothing is left to tell: a full queue would hold the workers up."""
        while True:
            stopping = stop.is_set()  # before the last look, so that nothing comes after it
            while not events.empty():
                event, place, values = events.get()
                if self.error is None:
                    try:
                        self._tell(event, place, values)
                    except Exception as error:
                        self.error = error
            if stopping:
                return
            stop.wait(_POLL)

    def _tell(self, event: str, place: int, values: Any) -> None:
        progress, cell = self._session.progress, self._cells[place]
        if progress is None:
            return
        if event == "finished":
            progress.finished(cell, values[0], self._session.is_cached(values[0]))
        elif event == "samples":
            self._evaluations[place](*values)
        elif isinstance(cell, EvaluateCell):
            self._evaluations[place] = progress.evaluating(cell)
        elif event == "training":
            self._trainings[place] = progress.training(cell)
        elif (training := self._trainings[place]) is not None:
            training.batch(*values) if event == "batch" else training.epoch(*values)
