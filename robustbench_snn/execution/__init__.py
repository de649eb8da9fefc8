"""Who computes the cells: one interface, records out. Nothing of an executor shows in a record's numbers."""

from __future__ import annotations

from robustbench_snn.execution.local import run_here
from robustbench_snn.execution.processes import run_in_processes

__all__ = ["run_here", "run_in_processes"]
