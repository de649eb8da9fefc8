"""The whole way of a suite: plan, executor, store, table, published version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.execution import run_here, run_in_processes
from robustbench_snn.execution.session import Options, Progress, Session
from robustbench_snn.leaderboard.table import make_table
from robustbench_snn.leaderboard.versions import publish
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class RunSettings:
    """What of a run never changes its numbers.

    Attributes:
        device: cpu, cuda or cuda:N.
        batch_size: samples at once in evaluations.
        fresh: compute every cell again.
        jobs: worker processes; 1 computes in this one.
        plugins: plug-in files, for workers to load.
        checkpointing: attacks run parts of the model again in their backward pass, to save memory.
    """

    device: str = "cpu"
    batch_size: int = 128
    fresh: bool = False
    jobs: int = 1
    plugins: tuple[str, ...] = ()
    checkpointing: bool = False


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
    suite_sha256 = hashlib.sha256(plan.suite.model_dump_json().encode()).hexdigest()
    options = Options(settings.device, settings.batch_size, settings.fresh, suite_sha256, settings.checkpointing)
    records = Store(store)
    session = Session(plan, records, options, progress)
    if settings.jobs > 1:
        done = list(run_in_processes(session, settings.jobs, settings.plugins))
    else:
        done = list(run_here(session))
    failures = [(cell.title, record) for cell, record in done if record.failure]
    failed = tuple((title, _reason(record)) for title, record in failures)
    if not any(record.kind == "evaluate" and record.status == "done" for _, record in done):
        raise UserError("no evaluation succeeded:\n" + "\n".join(f"  {title}: {why}" for title, why in failed))
    table, outcomes = make_table(plan, done, records)
    users_fault = all(record.failure is not None and record.failure.is_users for _, record in failures)
    return Finished(publish(table, outcomes, [record for _, record in done], results), failed, users_fault)


def _reason(record: Record) -> str:
    assert record.failure is not None
    failure = record.failure
    return failure.message if failure.is_users else f"{failure.type}: {failure.message} (traceback in the record)"
