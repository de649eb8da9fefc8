"""The whole way of a suite: plan, executor, store, table, published version or draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.outlook import Outlook
from robustbench_snn.execution.session import Progress, Session
from robustbench_snn.execution.standing import standing
from robustbench_snn.execution.trial import check_models
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.leaderboard.carrying import grown
from robustbench_snn.leaderboard.content import Base
from robustbench_snn.leaderboard.publication import check_latest
from robustbench_snn.leaderboard.release import Mode, Released, release
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.leftovers import sweep
from robustbench_snn.store.records import Failure, Record
from robustbench_snn.store.store import Store


class RunWatcher(Progress, Protocol):
    """Who is told how a run goes."""

    def begins(self, outlook: Outlook) -> None:
        """It is known what is to be done; nothing is computed yet."""


@dataclass(frozen=True)
class Computed:
    """What is there of a plan when no more can be computed.

    Attributes:
        done: every cell that was tried, with what it left.
        store: the records.
        failed: title and message of every failed cell.
        users_fault: whether all of these are the user's to mend.
        set_aside: name of the folder, and reason, of every stored cell that was not believed.
    """

    done: tuple[tuple[Cell, Record], ...]
    store: Store
    failed: tuple[tuple[str, str], ...]
    users_fault: bool
    set_aside: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        released: what became of the table: a new version, a draft, or the latest version stands.
        failed: title and message of every failed cell.
        users_fault: whether all of these are the user's to mend.
        set_aside: name of the folder, and reason, of every stored cell that was not believed.
    """

    released: Released
    failed: tuple[tuple[str, str], ...]
    users_fault: bool
    set_aside: tuple[tuple[str, str], ...]

    @property
    def folder(self) -> Path:
        """Where the table is."""
        return self.released.folder


def compute_plan(plan: Plan, store: Path, settings: RunSettings, progress: RunWatcher | None = None) -> Computed:
    """Computes what is not yet computed of a plan, or of a part of one.

    Args:
        plan: the cells.
        store: folder of the records.
        settings: how to compute.
        progress: who is told.

    Raises:
        UserError: if a model cannot run: all of these are named, and nothing was trained.
    """
    sweep(store)
    records = Store(store)
    before = records.reasons()
    standings = standing(plan, records)
    if progress is not None:
        progress.begins(Outlook(plan, standings, records, settings.device, settings.jobs, settings.fresh))
    check_models(plan, standings, records, settings)
    done = tuple(run_cells(Session(plan, records, settings, progress)))
    failures = [(cell.title, record.failure) for cell, record in done if record.failure is not None]
    return Computed(
        done,
        records,
        tuple((title, _reason(failure)) for title, failure in failures),
        all(failure.is_users for _, failure in failures),
        tuple((name, why) for name, why in records.reasons().items() if name not in before),
    )


def run_plan(
    plan: Plan,
    store: Path,
    results: Path,
    settings: RunSettings,
    progress: RunWatcher | None = None,
    *,
    mode: Mode = "auto",
    doubts: Sequence[str] = (),
    base: Base | None = None,
) -> Finished:
    """Computes what is not yet computed, and publishes the table, or writes it as a draft.

    Args:
        plan: the cells.
        store: folder of the records, and of drafts.
        results: folder of the published tables.
        settings: how to compute.
        progress: who is told.
        mode: where the table goes, see :func:`robustbench_snn.leaderboard.release.release`.
        doubts: reasons of the caller to make it a draft.
        base: the published version that the suite's rows, and new seeds of its own, are added to; it stands where the
            plan is empty.

    Raises:
        UserError: if a model cannot run: all of these are named, and nothing was trained. If nothing at all could be
            evaluated; then there is nothing to publish. Or if the base is not the latest version of its table in
            ``results``.
    """
    if base is not None:
        check_latest(base, results)
        if not plan.cells:
            return Finished(Released("stands", base.folder, str(base.version), base.content.table), (), False, ())
    computed = compute_plan(plan, store, settings, progress)
    done, records = computed.done, computed.store
    if not any(record.kind == "evaluate" and record.status == "done" for _, record in done):
        reasons = "\n".join(f"  {title}: {why}" for title, why in computed.failed)
        raise UserError(f"no evaluation succeeded:\n{reasons}")
    table, outcomes = make_table(plan, done, records)
    of_cells = [record for _, record in done]
    if base is not None:
        table, outcomes = grown(base.content, table, outcomes, of_cells)
    weights = {record.key: records.weights(record.key) for record in of_cells if _trained(record)}
    released = release(
        table,
        outcomes,
        of_cells,
        results=results,
        drafts=store / "drafts",
        mode=mode,
        reasons=doubts,
        base=base,
        weights=weights if plan.suite.table.weights is True else None,
    )
    return Finished(released, computed.failed, computed.users_fault, computed.set_aside)


def _trained(record: Record) -> bool:
    return record.kind == "train" and record.failure is None


def _reason(failure: Failure) -> str:
    return failure.message if failure.is_users else f"{failure.type}: {failure.message} (traceback in the record)"
