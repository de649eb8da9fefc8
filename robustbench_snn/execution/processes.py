"""Several worker processes on this machine, each on a device of its own where there are several.

Every worker has a pipe of its own, so that one that is killed, at whatever point, holds no other up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import torch

from robustbench_snn.errors import Stopped, StoreError, StoreWriteError, UserError
from robustbench_snn.execution.executor import CellDiedError, Executor
from robustbench_snn.execution.relay import Listener, Relay
from robustbench_snn.execution.schedule import Queue
from robustbench_snn.execution.session import LOOK_AGAIN, Session
from robustbench_snn.execution.worker import Work
from robustbench_snn.machine import usable_cores
from robustbench_snn.plan.cells import Cell
from robustbench_snn.store.records import Record

TRIES = 2
"""How often a cell whose worker dies is computed before it has failed."""
GRACE = 5.0
"""Seconds that a worker has to stop by itself."""

_HELD = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""What a worker does not hear before it knows what to do."""
_TAKEN = (UserError, StoreError, StoreWriteError)
"""Errors that stay what they are on their way out of a worker; others become a plain :class:`UserError`."""


class CellTimeoutError(UserError):
    """A cell took longer than the run allows."""


@dataclass
class _Worker:
    rank: int
    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    cell: Cell | None = None
    since: float = field(default_factory=time.monotonic)


class Processes(Executor):
    """Worker processes, started as there is work for them.

    A cell whose worker dies is computed again, with the checkpoints that it left, and fails if that happens
    :data:`TRIES` times. One that takes longer than ``settings.cell_timeout`` seconds fails at once.

    Args:
        session: what to compute, and how.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        settings = session.settings
        had, asked = torch.get_num_threads(), "OMP_NUM_THREADS" in os.environ
        self._work = Work.of(session, threads_each(settings.jobs, cores=usable_cores(), had=had, asked=asked))
        self._context = multiprocessing.get_context("spawn")
        self._listener = Listener(session)
        self._waiting = Queue(settings.jobs)
        self._finished: deque[tuple[Cell, Record]] = deque()
        self._later: deque[tuple[float, Cell]] = deque()
        self._workers: list[_Worker] = []
        self._deaths: Counter[Cell] = Counter()
        self._broken = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the workers; those that compute may clean up behind them for :data:`GRACE` seconds."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.cell is not None or not worker.ready:
                worker.process.terminate()
        until = time.monotonic() + GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def submit(self, cells: Sequence[Cell]) -> None:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        self._waiting.add(cells)

    def take(self) -> tuple[Cell, Record]:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        while not self._finished:
            self._hand_out()
            busy = {worker.pipe: worker for worker in self._workers}
            for pipe in connection.wait(list(busy), self._patience()):
                assert isinstance(pipe, Connection)
                self._hear(busy[pipe])
            self._end_late()
        return self._finished.popleft()

    def _hand_out(self) -> None:
        """Gives waiting cells to idle workers, and starts more workers where there is work for them."""
        while self._later and self._later[0][0] <= time.monotonic():
            self._waiting.add([self._later.popleft()[1]])
        idle = [worker for worker in self._workers if worker.cell is None]
        short = min(self.session.settings.jobs - len(self._workers), len(self._waiting) - len(idle))
        for _ in range(short):
            self._workers.append(self._started())
        ready = [worker for worker in idle if worker.ready]
        for worker in ready[: len(self._waiting)]:
            worker.cell, worker.since = self._waiting.take(), time.monotonic()
            with suppress(OSError):  # it has died meanwhile, and its pipe says so
                worker.pipe.send(self.session.plan.places[worker.cell])

    def _started(self) -> _Worker:
        rank = min(set(range(self.session.settings.jobs)) - {worker.rank for worker in self._workers})
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, rank, theirs), daemon=False)
        resource_tracker.ensure_running()  # starting it lets these signals in again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)  # which it inherits, until it knows what to do
        process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that the pipe ends with the worker
        return _Worker(rank, process, ours)

    def _hear(self, worker: _Worker) -> None:
        """Takes what a worker says; a pipe that has ended says that it has died."""
        try:
            event, *values = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if event == "ready":
            worker.ready, self._broken = True, 0
        elif event == "record":
            assert worker.cell is not None
            self._finished.append((worker.cell, values[0]))
            worker.cell = None
        elif event == "busy":  # with another run
            assert worker.cell is not None
            self._later.append((time.monotonic() + LOOK_AGAIN, worker.cell))
            worker.cell = None
        elif event == "raised":
            raise values[0]
        else:
            self._listener.hear(event, *values)

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        self._workers.remove(worker)
        how = _ending(worker.process.exitcode)
        if not worker.ready:
            self._broken += 1
            if self._broken >= TRIES:
                raise UserError(f"worker processes {how} as they start; see what they wrote above, or use --jobs 1")
            return
        if (cell := worker.cell) is None:
            return
        self._deaths[cell] += 1
        if self._deaths[cell] < TRIES:
            self._waiting.add_first(cell)
            return
        advice = "; where memory ran out, use fewer --jobs or a smaller --batch-size" if "SIGKILL" in how else ""
        error = CellDiedError(f"its worker process {how}, {TRIES} times{advice}")
        self._finished.append((cell, self.session.failed(cell, error)))

    def _patience(self) -> float | None:
        """Seconds until a cell has taken too long, or is to be looked at again; None where there is no such time."""
        limit = self.session.settings.cell_timeout
        ends = [worker.since + limit for worker in self._workers if worker.cell is not None] if limit else []
        ends += [when for when, _ in self._later]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _end_late(self) -> None:
        limit = self.session.settings.cell_timeout
        if not limit:
            return
        for worker in list(self._workers):
            if worker.cell is not None and time.monotonic() - worker.since >= limit:
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()
                self._workers.remove(worker)
                error = CellTimeoutError(f"it took longer than {limit:g} s, and was ended (--cell-timeout)")
                self._finished.append((worker.cell, self.session.failed(worker.cell, error)))


def _ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"


def threads_each(jobs: int, *, cores: int, had: int, asked: bool) -> int:
    """Threads of each of several worker processes, which together use no more than the machine has.

    Args:
        jobs: number of workers.
        cores: cores that this process may use.
        had: threads that torch has in this process: of its own choice one for each physical core.
        asked: whether the user chose them; a worker then takes as many, as far as the cores reach.
    """
    return max(1, min(had, cores // jobs) if asked else min(had, cores) // jobs)


def _serve(work: Work, rank: int, pipe: Connection) -> None:
    """Computes the cells that the pipe names, by their places in the plan, until it ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for ignored in (signal.SIGINT, signal.SIGHUP):  # sent to all processes of a terminal: the run decides
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        plan = work.plan()
        relay = Relay(pipe.send, plan)
        session = work.session(plan, relay, rank)
        pipe.send(("ready",))
        while True:
            record = session.attempt(plan.cells[pipe.recv()])
            pipe.send(("busy",) if record is None else ("record", record))
    except (EOFError, BrokenPipeError, Stopped):
        os._exit(0)  # the run has ended, or ends this worker; nobody waits for what plug-ins do at exit
    except UserError as error:
        pipe.send(("raised", type(error)(*error.args) if type(error) in _TAKEN else UserError(str(error))))


def _stop(number: int, frame: Any) -> None:
    raise Stopped(number)


def _end_with_parent() -> None:
    """Ends this worker as soon as its parent is gone, however that ended: nobody would take its results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
