"""Several worker processes on this machine, each on a device of its own where there are several."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution.relay import Relay, relayed
from robustbench_snn.execution.schedule import Schedule
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.machine import usable_cores
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry import load_plugin
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class _Worker:
    """All that a worker process needs to make a session of its own."""

    suite: dict[str, Any]
    store: Path
    settings: RunSettings
    threads: int


_session: Session | None = None


def run_in_processes(session: Session) -> Iterator[tuple[Cell, Record]]:
    """Computes all cells of the session's plan in ``settings.jobs`` processes; yields each as it finishes.

    Args:
        session: what to compute, and how; its progress is told by a thread of this process.
    """
    plan, jobs = session.plan, session.settings.jobs
    threads = threads_each(
        jobs, cores=usable_cores(), had=torch.get_num_threads(), asked="OMP_NUM_THREADS" in os.environ
    )
    worker = _Worker(plan.suite.model_dump(mode="json"), session.store.root, session.settings, threads)
    context = multiprocessing.get_context("spawn")
    ranks = context.Queue()
    for rank in range(jobs):
        ranks.put(rank)
    events = context.SimpleQueue()
    schedule = Schedule(plan)
    places = {id(cell): place for place, cell in enumerate(plan.cells)}
    with (
        relayed(events, session),
        ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(worker, ranks, events)) as pool,
    ):
        pending: dict[Future[Record], Cell] = {
            pool.submit(_compute, places[id(cell)]): cell for cell in schedule.first()
        }
        while pending:
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                cell, record = pending.pop(future), future.result()
                for following in schedule.after(cell, record):
                    pending[pool.submit(_compute, places[id(following)])] = following
                yield cell, record


def threads_each(jobs: int, *, cores: int, had: int, asked: bool) -> int:
    """Threads of each of several worker processes, which together use no more than the machine has.

    Args:
        jobs: number of workers.
        cores: cores that this process may use.
        had: threads that torch has in this process: of its own choice one for each physical core.
        asked: whether the user chose them; a worker then takes as many, as far as the cores reach.
    """
    return max(1, min(had, cores // jobs) if asked else min(had, cores) // jobs)


def _start(worker: _Worker, ranks: Any, events: Any) -> None:
    """Makes this process's session; with several GPUs, worker r takes the r-th."""
    global _session
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(worker.threads)
    rank, settings = ranks.get(), worker.settings
    if settings.device == "cuda" and torch.cuda.device_count() > 1:
        settings = replace(settings, device=f"cuda:{rank % torch.cuda.device_count()}")
    for plugin in settings.plugins:
        load_plugin(plugin)
    suite = SuiteSpec.model_validate(worker.suite)
    dataset = load_dataset(suite.dataset.name, **suite.dataset.parameters)
    plan = make_plan(suite, dataset)
    _session = Session(plan, Store(worker.store), settings, Relay(events, plan))


def _end_with_parent() -> None:
    """Ends this worker as soon as its parent is gone, however that ended: nobody would take its results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _compute(index: int) -> Record:
    """Computes a cell in a worker process, by its place in the plan."""
    assert _session is not None
    return _session.compute(_session.plan.cells[index])
