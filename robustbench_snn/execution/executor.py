"""The one loop over a plan's cells, and what an executor does for it: it takes cells, and gives back records."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from robustbench_snn.execution.schedule import Queue, Schedule
from robustbench_snn.execution.session import LOOK_AGAIN, Session
from robustbench_snn.plan.cells import Cell
from robustbench_snn.store.records import Record


class CellDiedError(Exception):
    """The process that computed a cell was killed, or ended by itself, as often as it was tried."""


class Executor(ABC):
    """Where cells are computed; use it as a context manager, which leaves no work behind.

    Nothing of an executor shows in a record's numbers.

    Args:
        session: the plan, the store that every record is in when it is given back, and who is told.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - most have nothing to end
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends whatever is still under way."""

    @abstractmethod
    def submit(self, cells: Sequence[Cell]) -> None:
        """Takes cells that may be computed now, in any order: those that became ready together."""

    @abstractmethod
    def take(self) -> tuple[Cell, Record]:
        """Waits for the next cell that is finished, or has failed for good; there is one under way.

        Raises:
            UserError: if no cell can be computed at all: workers cannot start, the store cannot be written.
        """


class Here(Executor):
    """One cell after the other, in this process."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._waiting = Queue(workers=1)

    def submit(self, cells: Sequence[Cell]) -> None:
        """See :class:`Executor`."""
        self._waiting.add(cells)

    def take(self) -> tuple[Cell, Record]:
        """See :class:`Executor`; cells that another run is computing come last."""
        while True:
            busy: list[Cell] = []
            while self._waiting:
                cell = self._waiting.take()
                if (record := self.session.attempt(cell)) is not None:
                    self._waiting.add(busy)
                    return cell, record
                busy.append(cell)
            self._waiting.add(busy)
            time.sleep(LOOK_AGAIN)


def computed(executor: Executor) -> Iterator[tuple[Cell, Record]]:
    """Computes all cells of a session's plan, and yields each with its record as it finishes.

    Cells that the store has are given at once, without the executor.

    Args:
        executor: not yet entered.
    """
    session = executor.session
    schedule = Schedule(session.plan)
    ready = deque(schedule.first())
    under_way = 0
    with executor:
        while ready or under_way:
            missing: list[Cell] = []
            while ready:
                cell = ready.popleft()
                if (record := session.stored(cell)) is None:
                    missing.append(cell)
                    continue
                yield cell, record
                ready.extendleft(reversed(schedule.after(cell, record)))
            if missing:
                executor.submit(missing)
                under_way += len(missing)
            if under_way:
                cell, record = executor.take()
                under_way -= 1
                session.told(cell, record)
                yield cell, record
                ready.extend(schedule.after(cell, record))
