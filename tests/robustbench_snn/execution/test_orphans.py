"""A run with worker processes that is killed leaves none of them behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_suite import TINY
from tests.waiting import children, gone, waited

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
def test_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    suite = TINY | {"seeds": [0, 1], "recipe": {"epochs": 10_000, "batch_size": 32}}
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    command = [sys.executable, "-m", "robustbench_snn.cli", "run", "suite.yaml", "--jobs", "2", "--draft"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        work = tmp_path / "runs" / "work"
        assert waited(lambda: len({file.parent for file in work.glob("*/epoch-*")}) == 2), "both are training"
        workers = children(run.pid)
        assert len(workers) >= 2
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert waited(lambda: all(gone(worker) for worker in workers), 30), "a worker outlived its parent"
    finally:
        run.kill()
