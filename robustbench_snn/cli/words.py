"""A run in words: its plan, how long it will take, what a cell left."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robustbench_snn.execution.forecast import Forecast
    from robustbench_snn.execution.outlook import Outlook
    from robustbench_snn.leaderboard.content import Base
    from robustbench_snn.plan.cells import Cell
    from robustbench_snn.store.records import Failure, Record


def duration(seconds: float) -> str:
    """Seconds as people say them: ``48 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def number(count: int, what: str) -> str:
    """A number and its noun: ``1 model``, ``3 models``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def time_left(found: Forecast) -> str:
    """A forecast: ``about 3 min 20 s left``, ``about 10 s left + 2 unknown cells``, or ``time left unknown``."""
    if not found.unknown:
        return f"about {duration(found.seconds)} left"
    if not found.seconds:
        return "time left unknown"
    return f"about {duration(found.seconds)} left + {number(found.unknown, 'unknown cell')}"


def plan_lines(outlook: Outlook) -> list[str]:
    """What a run is going to do, in two lines, or that there is nothing to do."""
    plan, counts = outlook.plan, outlook.counts
    entries = plan.suite.entries()
    if not entries:
        return [f"plan of {plan.suite.name}: nothing is left to compute"]
    trainings = sum("recipe" in cell.identity for cell in plan.train)
    seeds = sorted({len(entry.seeds) for entry in entries})
    each = f"{number(seeds[-1], 'seed')} each" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds each"
    made = [number(trainings, "training")] if trainings else []
    if loaded := len(plan.train) - trainings:
        made.append(f"{number(loaded, 'model')} with weights that are there")
    evaluations = number(len(plan.suite.evaluations), "evaluation")
    state = [f"{counts.done} in the store"]
    if counts.failed:
        state.append(f"{counts.failed} failed before, to be tried again")
    state.append(f"{counts.left} to compute")
    left = "" if counts.done == counts.total else f"; {time_left(outlook.forecast())}"
    return [
        f"plan of {plan.suite.name}: {number(len(entries), 'model')}, {each}: {' and '.join(made)}, "
        f"{evaluations} of each",
        f"{number(counts.total, 'cell')}: {', '.join(state)}{left}",
    ]


def onto_line(base: Base) -> str:
    """What stands in from a published table."""
    table = base.content.table
    return (
        f"onto {table.name} {base.version}: {number(len(table.rows), 'model')} with "
        f"{number(len(base.content.records), 'record')} stand as published and are not computed"
    )


def outcome(record: Record) -> str:
    """What a cell left, and its time."""
    spent = duration(record.provenance.wall_seconds)
    if record.failure is not None:
        return f"failed after {spent}: {failed(record.failure)}"
    if "accuracy" in record.metrics:
        return f"{record.metrics['accuracy']:.1%} in {spent}"
    return f"done in {spent}"


def waiting(cell: Cell, owner: str) -> str:
    """That another run is computing a cell."""
    return f"{cell.title} is being computed by {owner}: other cells come first, then its record is waited for"


def failed(failure: Failure) -> str:
    """Why a cell failed, in one line."""
    reason = failure.message if failure.is_users else f"{failure.type}: {failure.message}"
    return reason.partition("\n")[0]
