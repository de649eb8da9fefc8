"""A Ray cluster: a cell is a task with its resources; lost workers and nodes are Ray's to replace.

Where a machine sees the store of the run (one machine, a shared file system), its workers write into it, and a
training that was lost goes on from its checkpoint. Elsewhere they keep a store of their own for a while: the weights
that a cell needs come from Ray's object store, and what it leaves goes back through it.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from robustbench_snn.errors import UserError
from robustbench_snn.execution.executor import CellDiedError, Executor
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.worker import Work
from robustbench_snn.plan.cells import Cell, EvaluateCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.store.records import Record
from robustbench_snn.store.transfer import Packed, pack, unpack

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError:
    raise UserError("the executor 'ray' needs Ray: pip install 'robustbench_snn[ray]'") from None

RETRIES = 3
"""How often Ray computes a cell again whose worker or machine was lost."""


class OnRay(Executor):
    """Computes cells on a Ray cluster.

    Args:
        session: what to compute, and how.
        address: of a cluster, ``auto`` for the one that this machine belongs to; without it one is started here.

    Attributes:
        token: a file in the run's store: machines on which it is there share the store.

    Raises:
        UserError: if there is no such cluster, or a cell timeout is asked for.
    """

    def __init__(self, session: Session, address: str | None) -> None:
        super().__init__(session)
        settings = session.settings
        if settings.cell_timeout is not None:
            raise UserError("--cell-timeout ends local worker processes; with --executor ray leave it out")
        _join(address)
        self.token = session.store.root / f".shared-{uuid.uuid4().hex}"
        self.token.touch()
        wanted = settings.resources
        gpus = wanted.gpus if wanted.gpus is not None else float(settings.device.startswith("cuda"))
        memory = {} if wanted.memory is None else {"memory": int(wanted.memory * 2**30)}
        self._task = ray.remote(_compute).options(
            num_cpus=wanted.cpus, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=False, **memory
        )
        self._work = ray.put(Work.of(session, wanted.cpus))
        self._weights: dict[str, Any] = {}
        self._pending: dict[Any, Cell] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the tasks that are under way, and leaves the cluster."""
        for task in self._pending:
            ray.cancel(task, force=True)
        self.token.unlink(missing_ok=True)
        ray.shutdown()

    def submit(self, cells: Sequence[Cell]) -> None:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        for cell in cells:
            needed = self.session.plan.models_behind(cell) if isinstance(cell, EvaluateCell) else []
            weights = {key: self._stored(key) for key in map(key_of, needed) if self.session.store.has(key)}
            task = self._task.remote(self._work, str(self.token), self.session.plan.places[cell], weights)
            self._pending[task] = cell

    def take(self) -> tuple[Cell, Record]:
        """See :class:`robustbench_snn.execution.executor.Executor`."""
        (task,), _ = ray.wait(list(self._pending), num_returns=1)
        cell = self._pending.pop(task)
        try:
            record, packed = ray.get(task)
        except RayTaskError as error:  # raised by our own code there, outside of the cell
            cause = error.cause
            raise cause if isinstance(cause, UserError) else error from None
        except RayError as error:
            died = CellDiedError(f"Ray gave it up: {str(error).strip().splitlines()[0]}")
            return cell, self.session.failed(cell, died)
        if packed is not None:
            record = unpack(packed, self.session.store, replace=self.session.settings.fresh)
        elif record.status == "failed":
            self.session.store.write_failure(record)
        return cell, record

    def _stored(self, key: str) -> Any:
        """The training's files in Ray's object store, put there once."""
        if key not in self._weights:
            self._weights[key] = ray.put(pack(self.session.store, key))
        return self._weights[key]


def _join(address: str | None) -> None:
    """Makes this process the driver of a cluster, which leaves the signals as they are.

    Raises:
        UserError: if there is none.
    """
    host, _, port = (address or "").rpartition(":")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if host and port.isdigit():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, OverflowError, RayError) as error:
        raise UserError(f"Ray cannot be reached at {address}: {str(error).splitlines()[0]}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray's own would take the place of ours


def _compute(work: Work, token: str, place: int, weights: Mapping[str, Any]) -> tuple[Record, Packed | None]:
    """Computes a cell on some machine of the cluster.

    Returns:
        What it left; and its files, where they are not in the run's store.
    """
    shared = Path(token).exists()
    session = _session(work, token, shared)
    if not shared:
        for key, task in weights.items():
            if not session.store.has(key):
                unpack(ray.get(task), session.store)
    record = session.compute(session.plan.cells[place])
    return record, None if shared or record.status == "failed" else pack(session.store, record.key)


def _session(work: Work, token: str, shared: bool) -> Session:
    """This process's session for a run; without the run's store, on one of its own."""
    if token not in _sessions:
        _sessions.clear()
        if not shared:
            folder = tempfile.mkdtemp(prefix="rbsnn-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            work = replace(work, store=Path(folder))
        _sessions[token] = work.session(work.plan())
    return _sessions[token]


_sessions: dict[str, Session] = {}
