"""One cell after the other, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from robustbench_snn.execution.schedule import Schedule
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.cells import Cell
from robustbench_snn.store.records import Record


def run_here(session: Session) -> Iterator[tuple[Cell, Record]]:
    """Computes all cells of the session's plan; yields each with its record as it finishes.

    A model's evaluations come right after its training, so that its row is there early.
    """
    schedule = Schedule(session.plan)
    waiting = deque(schedule.first())
    while waiting:
        cell = waiting.popleft()
        record = session.compute(cell)
        yield cell, record
        waiting.extendleft(reversed(schedule.after(cell, record)))
