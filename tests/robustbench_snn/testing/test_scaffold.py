"""``new_encoder`` writes files that work as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.testing.scaffold import new_encoder

ROOT = Path(__file__).resolve().parents[3]


def test_the_new_file_passes_its_own_test_and_the_linters(tmp_path: Path) -> None:
    files = new_encoder("fading_contrast", tmp_path / "mine")
    assert [file.name for file in files] == ["fading_contrast.py", "test_fading_contrast.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "mine")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "17 passed" in done.stdout
    lint = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path / "mine")]
    if subprocess.run([sys.executable, "-m", "ruff", "--version"], capture_output=True).returncode == 0:
        checked = subprocess.run(lint, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", ["My", "a-b", "2fast", "class", "_x", ""])
def test_impossible_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot name an encoder"):
        new_encoder(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_taken_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'stf' exists already"):
        new_encoder("stf", tmp_path)
    new_encoder("mine", tmp_path)
    (tmp_path / "mine.py").unlink()
    with pytest.raises(UserError, match=r"test_mine\.py exists already"):
        new_encoder("mine", tmp_path)
    assert not (tmp_path / "mine.py").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        new_encoder("mine", tmp_path / "file" / "below")
