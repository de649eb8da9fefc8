"""Running the command in a process of its own, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixture_types import RunCommand

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def rbsnn(tmp_path: Path) -> RunCommand:
    """Runs ``rbsnn`` in the test's folder; returns what ``subprocess.run`` does."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "robustbench_snn.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
