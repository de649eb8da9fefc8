"""Several worker processes on this machine, each on a device of its own where there are several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustbench_snn.execution.local import FinishedCell
from robustbench_snn.execution.session import Options, Session
from robustbench_snn.plan.plan import EvaluateCell, TrainCell, make_plan
from robustbench_snn.registry import load_plugin
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class _Worker:
    """All that a worker process needs to make a session of its own."""

    suite: dict[str, Any]
    plugins: tuple[str, ...]
    store: Path
    options: Options
    threads: int


_session: Session | None = None


def run_in_processes(session: Session, jobs: int, plugins: Sequence[str] = ()) -> Iterator[FinishedCell]:
    """Computes cells in ``jobs`` processes; yields them as they finish, in any order.

    Args:
        session: its plan, store and options; its progress is told of finished cells only.
        jobs: number of processes.
        plugins: plug-in files that the workers must load too.
    """
    import torch

    suite = session.plan.suite.model_dump(mode="json")
    threads = max(1, torch.get_num_threads() // jobs)
    worker = _Worker(suite, tuple(plugins), session.store.root, session.options, threads)
    context = multiprocessing.get_context("spawn")
    ranks = context.Queue()
    for rank in range(jobs):
        ranks.put(rank)
    with ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(worker, ranks)) as pool:
        pending: dict[Future[Record], TrainCell | EvaluateCell] = {}
        postponed: list[EvaluateCell] = []
        for index, train in enumerate(session.plan.train):
            pending[pool.submit(_train, index)] = train
        while pending or postponed:
            if not pending:
                pending = {pool.submit(_evaluate, session.plan.evaluate.index(cell)): cell for cell in postponed}
                postponed = []
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                done, record = pending.pop(future), future.result()
                if isinstance(done, TrainCell) and record.status == "done":
                    for cell in session.plan.evaluations_of(done):
                        if cell.needs_peers:
                            postponed.append(cell)
                        else:
                            pending[pool.submit(_evaluate, session.plan.evaluate.index(cell))] = cell
                if session.progress:
                    session.progress.finished(done.title, record, session.is_cached(record))
                yield done, record


def _start(worker: _Worker, ranks: Any) -> None:
    """Makes this process's session; with several GPUs, worker r takes the r-th."""
    global _session
    import torch

    from robustbench_snn.dataset import load_dataset

    torch.set_num_threads(worker.threads)
    rank, options = ranks.get(), worker.options
    if options.device == "cuda" and torch.cuda.device_count() > 1:
        options = replace(options, device=f"cuda:{rank % torch.cuda.device_count()}")
    for plugin in worker.plugins:
        load_plugin(plugin)
    suite = SuiteSpec.model_validate(worker.suite)
    dataset = load_dataset(suite.dataset.name, **suite.dataset.parameters)
    _session = Session(make_plan(suite, dataset), Store(worker.store), options)


def _train(index: int) -> Record:
    assert _session is not None
    return _session.train(_session.plan.train[index])


def _evaluate(index: int) -> Record:
    assert _session is not None
    return _session.evaluate(_session.plan.evaluate[index])
