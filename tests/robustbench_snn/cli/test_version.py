"""``rbsnn --version``, and the one place where the version number is written."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import robustbench_snn

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_prints_the_package_s_version(rbsnn: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = rbsnn("--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"robustbench_snn {robustbench_snn.__version__}\n"


def test_the_version_is_printed_without_torch() -> None:
    code = (
        "import sys\nfrom robustbench_snn.cli import app\n"
        "app(['--version'], standalone_mode=False)\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "robustbench_snn.__version__"}
