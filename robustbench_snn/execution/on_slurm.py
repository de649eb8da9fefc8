"""A Slurm cluster, through submitit: cells that become ready together are one job array, on a store that all share.

A job that is preempted, or reaches its time limit, is put back into the queue: finished cells are in the store, and a
training goes on from its checkpoint.
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from robustbench_snn.errors import UserError
from robustbench_snn.execution.executor import CellDiedError, Executor
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.worker import Work
from robustbench_snn.plan.cells import Cell
from robustbench_snn.store.records import Record

try:
    import submitit
    from submitit.helpers import DelayedSubmission
except ImportError:
    raise UserError("the executor 'slurm' needs submitit: pip install 'robustbench_snn[slurm]'") from None

POLL = (0.2, 15.0)
"""Seconds between two looks at the jobs: at first, and at most; each look asks Slurm once."""


@dataclass(frozen=True)
class Task:
    """What one job does, a callable that submitit writes down and calls there.

    Attributes:
        work: the plan.
        places: of the job's cells in the plan.
    """

    work: Work
    places: tuple[int, ...]

    def __call__(self) -> list[Record]:
        """Computes the cells, those left that the store does not have."""
        plan = self.work.plan()
        session = self.work.session(plan)
        return [session.compute(plan.cells[place]) for place in self.places]

    def checkpoint(self) -> Any:
        """Puts the job back into the queue as it is: what is done is in the store."""
        return DelayedSubmission(self)


_Job = tuple[Any, tuple[Cell, ...]]
"""A job of submitit, and its cells."""


class OnSlurm(Executor):
    """Computes cells as jobs.

    Args:
        session: what to compute, and how; its store must be seen by every node under the same path.
        cluster: ``slurm``, or ``local``, which starts jobs as processes on this machine, with the same files.

    Raises:
        UserError: if there is no such cluster, or a cell timeout is asked for.
    """

    def __init__(self, session: Session, cluster: str) -> None:
        super().__init__(session)
        if session.settings.cell_timeout is not None:
            raise UserError(
                "--cell-timeout ends local worker processes; with --executor slurm give --resources minutes="
            )
        folder = session.store.root.absolute() / "slurm"
        try:
            self._cluster = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster)
            self._cluster.update_parameters(**self._parameters(cluster))
        except (RuntimeError, ValueError, NameError) as error:
            raise UserError(f"Slurm cannot be used: {str(error).splitlines()[0]}") from None
        self._work = Work.of(session, session.settings.resources.cpus)
        self._name = cluster
        self._absent: set[str] = set()
        self._pending: list[_Job] = []
        self._finished: deque[tuple[Cell, Record]] = deque()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancels the jobs that are under way."""
        for job, _ in self._pending:
            job.cancel(check=False)

    def submit(self, cells: Sequence[Cell]) -> None:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        each = self.session.settings.resources.cells_per_job
        groups = [tuple(cells[first : first + each]) for first in range(0, len(cells), each)]
        with self._cluster.batch():
            jobs = [
                self._cluster.submit(Task(self._work, tuple(self.session.plan.places[cell] for cell in group)))
                for group in groups
            ]
        self._pending.extend(zip(jobs, groups, strict=True))

    def take(self) -> tuple[Cell, Record]:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        pause = POLL[0]
        while not self._finished:
            ended = self._ended()
            for one in ended:
                self._pending.remove(one)
                self._finished.extend(self._left_by(*one))
            if not ended:
                time.sleep(pause)
                pause = min(2 * pause, POLL[1])
        return self._finished.popleft()

    def _ended(self) -> list[_Job]:
        """The jobs that have a result, or will never have one."""
        done = [(job, cells) for job, cells in self._pending if job.done()]
        queue = _queue() if self._name == "slurm" else None
        if queue is None:
            return done
        # sacct, which submitit asks, knows of no ended job where accounting is off; squeue knows those that have not
        absent = {job.job_id for job, _ in self._pending if job.job_id not in queue}
        lost, self._absent = absent & self._absent, absent  # twice: a result may be seen late on a shared file system
        return done + [(job, cells) for job, cells in self._pending if job.job_id in lost and (job, cells) not in done]

    def _left_by(self, job: Any, cells: tuple[Cell, ...]) -> list[tuple[Cell, Record]]:
        """The cells of a job with their records; those that a job that died did not finish have failed."""
        reason = "it was cancelled, or its node is gone"
        try:
            if job.paths.result_pickle.exists():
                return list(zip(cells, job.result(), strict=True))
        except Exception as error:  # whatever was raised there: a worker that cannot start, a bug
            lines = str(error).strip().splitlines()
            reason = lines[-1] if lines else type(error).__name__
        died = CellDiedError(f"its job {job.job_id} ended without a result: {reason}; see {job.paths.stderr}")
        return [(cell, self.session.stored(cell) or self.session.failed(cell, died)) for cell in cells]

    def _parameters(self, cluster: str) -> dict[str, Any]:
        wanted = self.session.settings.resources
        gpus = wanted.gpus if wanted.gpus is not None else float(self.session.settings.device.startswith("cuda"))
        if gpus != int(gpus):
            raise UserError(f"resources: a Slurm job takes whole GPUs, not {gpus:g}")
        found: dict[str, Any] = {
            "name": f"rbsnn-{self.session.plan.suite.name}",
            "timeout_min": wanted.minutes,
            "cpus_per_task": wanted.cpus,
            "gpus_per_node": int(gpus),
            "mem_gb": wanted.memory,
        }
        if cluster == "slurm":
            found |= {"slurm_partition": wanted.partition, "slurm_array_parallelism": wanted.jobs_at_once}
        return {name: value for name, value in found.items() if value is not None}


def _queue() -> set[str] | None:
    """Ids of this user's jobs that wait or run; None if Slurm does not answer just now."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(done.stdout.split())
