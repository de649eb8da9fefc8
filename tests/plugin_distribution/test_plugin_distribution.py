"""A distribution is installed apart from the project, and its encoder is found by entry point and by file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def python(code: str, *places: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*places, ROOT))), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution and its metadata, as pip leaves them."""
    folder = tmp_path_factory.mktemp("site")
    source = folder / "source"
    shutil.copytree(HERE, source)  # a build leaves files behind
    target = folder / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", str(target), str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


def test_found_by_entry_point(installed: Path) -> None:
    code = (
        "import sys\nfrom robustbench_snn.registry import encoders\n"
        "assert 'contrast' in encoders and 'contrast' in encoders.names()\n"
        "assert 'rbsnn_example_plugin' not in sys.modules  # listed, not imported\n"
        "from robustbench_snn.testing import check_encoder\n"
        "failed = [r for r in check_encoder('contrast') if not r.passed]\n"
        "assert not failed, failed\n"
        "print(encoders.declaration('contrast').origin)"
    )
    done = python(code, installed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "rbsnn_example_plugin.contrast"


def test_not_found_without_it() -> None:
    done = python("from robustbench_snn.registry import encoders\nencoders.get('contrast')")
    assert "Unknown encoder 'contrast'" in done.stderr


def test_found_by_file() -> None:
    file = HERE / "src" / "rbsnn_example_plugin" / "contrast.py"
    code = (
        "from robustbench_snn.registry import encoders, load_plugin\n"
        f"load_plugin({str(file)!r})\nload_plugin({str(file)!r})  # twice is once\n"
        "print(encoders.get('contrast').implementation.__name__)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Contrast"


def test_an_entry_point_that_registers_nothing_or_fails(tmp_path: Path) -> None:
    info = tmp_path / "bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[robustbench_snn.encoders]\nempty = bad_empty\nbroken = bad_broken\n")
    (tmp_path / "bad_empty.py").write_text("x = 1\n")
    (tmp_path / "bad_broken.py").write_text("raise RuntimeError('no')\n")
    for name, words in [
        ("empty", "registers no encoder 'empty'"),
        ("broken", "cannot be imported: RuntimeError: no (in bad_broken.py"),
    ]:
        done = python(f"from robustbench_snn.registry import encoders\nencoders.get({name!r})", tmp_path)
        assert words in done.stderr
