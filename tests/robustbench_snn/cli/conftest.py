"""Running the command in a process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixture_types import RunCommand
from tests.forked import ROOT, run_forked


@pytest.fixture
def rbsnn(tmp_path: Path) -> RunCommand:
    """Runs ``rbsnn`` in the test's folder; returns what ``subprocess.run`` does."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return run_forked(arguments, tmp_path, {**os.environ, **own, **environment})

    return run
