"""From cells to records: executors share one schedule, and nothing of an executor shows in a record's numbers."""

from __future__ import annotations

from collections.abc import Iterator

from robustbench_snn.errors import UserError
from robustbench_snn.execution.executor import Executor, Here, computed
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.plan.cells import Cell
from robustbench_snn.store.records import Record

__all__ = ["RunSettings", "executor_of", "run_cells"]


def run_cells(session: Session) -> Iterator[tuple[Cell, Record]]:
    """Computes all cells of the session's plan where its settings say; yields each with its record as it finishes.

    Raises:
        UserError: if the executor is not known, or cannot start.
    """
    return computed(executor_of(session))


def executor_of(session: Session) -> Executor:
    """The executor that a session's settings name; what it needs is imported now.

    Raises:
        UserError: if it is not known, or not installed.
    """
    settings = session.settings
    name, _, address = settings.executor.partition(":")
    if name == "ray":
        from robustbench_snn.execution.on_ray import OnRay

        return OnRay(session, address or None)
    if name == "slurm":
        from robustbench_snn.execution.on_slurm import OnSlurm

        return OnSlurm(session, address or "slurm")
    if name != "local":
        raise UserError(f"executor '{settings.executor}' is none of local, ray, ray:ADDRESS, slurm, slurm:local")
    if settings.jobs == 1 and settings.cell_timeout is None:
        return Here(session)
    from robustbench_snn.execution.processes import Processes

    return Processes(session)
