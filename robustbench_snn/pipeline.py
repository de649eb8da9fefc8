"""The whole way of a suite: plan, executor, store, table, published version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings, run_here, run_in_processes
from robustbench_snn.execution.session import Progress, Session
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.leaderboard.publication import publish
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Failure
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        folder: the published version.
        failed: title and message of every failed cell.
        users_fault: whether all of these are the user's to mend.
    """

    folder: Path
    failed: tuple[tuple[str, str], ...]
    users_fault: bool


def run_plan(
    plan: Plan, store: Path, results: Path, settings: RunSettings, progress: Progress | None = None
) -> Finished:
    """Computes what is not yet computed, and publishes the table.

    Args:
        plan: the cells.
        store: folder of the records.
        results: folder of the published tables.
        settings: how to compute.
        progress: who is told.

    Raises:
        UserError: if nothing at all could be evaluated; then there is nothing to publish.
    """
    records = Store(store)
    session = Session(plan, records, settings, progress)
    done = list(run_in_processes(session) if settings.jobs > 1 else run_here(session))
    failures = [(cell.title, record.failure) for cell, record in done if record.failure is not None]
    failed = tuple((title, _reason(failure)) for title, failure in failures)
    if not any(record.kind == "evaluate" and record.status == "done" for _, record in done):
        raise UserError("no evaluation succeeded:\n" + "\n".join(f"  {title}: {why}" for title, why in failed))
    table, outcomes = make_table(plan, done, records)
    folder = publish(table, outcomes, [record for _, record in done], results)
    return Finished(folder, failed, users_fault=all(failure.is_users for _, failure in failures))


def _reason(failure: Failure) -> str:
    return failure.message if failure.is_users else f"{failure.type}: {failure.message} (traceback in the record)"
