"""From cells to records: executors share one schedule, and nothing of an executor shows in a record's numbers."""

from __future__ import annotations

from robustbench_snn.execution.local import run_here
from robustbench_snn.execution.processes import run_in_processes
from robustbench_snn.execution.settings import RunSettings

__all__ = ["RunSettings", "run_here", "run_in_processes"]
