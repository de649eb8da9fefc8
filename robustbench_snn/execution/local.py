"""One cell after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator

from robustbench_snn.execution.session import Session
from robustbench_snn.plan.plan import EvaluateCell, TrainCell
from robustbench_snn.store.records import Record

FinishedCell = tuple[TrainCell | EvaluateCell, Record]


def run_here(session: Session) -> Iterator[FinishedCell]:
    """Trains each model and evaluates it at once, so that rows appear early; yields cells as they finish.

    Evaluations of a model whose training failed are left out. Those that need the other models come last.
    """
    postponed: list[EvaluateCell] = []
    for train in session.plan.train:
        record = session.train(train)
        yield train, record
        if record.status == "failed":
            continue
        for cell in session.plan.evaluations_of(train):
            if cell.needs_peers:
                postponed.append(cell)
            else:
                yield cell, session.evaluate(cell)
    for cell in postponed:
        yield cell, session.evaluate(cell)
