"""torchrun as a library: starts the processes of one training, and ends all of them as soon as one fails.

:mod:`robustbench_snn.training.distributed` runs this file as a program, ``python -P launcher.py FOLDER``; it imports
nothing of this package, which would take longer than all that it does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

JOB, FAILURE = "job.json", "failure.json"
LAUNCHER = "RBSNN_LAUNCHER"
"""Environment variable with the launcher's process id."""

SHUTDOWN_SECONDS = 5
"""Between asking the processes to end and killing them."""


def main(folder: Path) -> int:
    """Runs a job to its end; 1 if a process failed, with the exit codes of those that did in :data:`FAILURE`."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    end_with(job["parent"], lambda: os.kill(os.getpid(), signal.SIGTERM))  # torchrun ends its workers then
    os.environ[LAUNCHER] = str(os.getpid())
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=job["recipe"].get("processes", 1),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,  # whoever asked tries again, from the last checkpoint
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "torchrun")),
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "robustbench_snn.training.rank", str(folder))
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        (folder / FAILURE).write_text(json.dumps(codes), encoding="utf-8")
        return 1
    return 0


def end_with(parent: int, end: Callable[[], None]) -> None:
    """Calls a function, from a thread, as soon as the process that started this one is gone, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        end()

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
