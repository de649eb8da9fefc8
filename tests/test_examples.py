"""The scripts of examples/ run as they are, and print what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def printed(script: str, folder: Path) -> str:
    """What an example prints, run as a user runs it, in an empty folder that it leaves empty."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "140"}
    command = [sys.executable, str(ROOT / "examples" / script)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


def test_every_example_has_a_test_here() -> None:
    tested = set(re.findall(r'printed\("(\w+\.py)"', Path(__file__).read_text()))
    assert tested == {path.name for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.slow
def test_evaluate_my_model(tmp_path: Path) -> None:
    shares = re.findall(r"^(\w+): ([\d.]+)% of 100 images", printed("evaluate_my_model.py", tmp_path), re.MULTILINE)
    accuracy = {name: float(share) for name, share in shares}
    assert list(accuracy) == ["clean", "pgd", "corruptions"]
    assert accuracy["clean"] > 85
    assert accuracy["pgd"] < accuracy["clean"]


@pytest.mark.slow
def test_corrupt_images(tmp_path: Path) -> None:
    lines = printed("corrupt_images.py", tmp_path).splitlines()
    changes = {
        name.strip(): list(map(float, values.split())) for name, _, values in (s.partition(":") for s in lines[1:5])
    }
    assert list(changes) == ["gaussian_noise", "motion_blur", "fog", "jpeg_compression"]
    for name, by_severity in changes.items():
        assert len(by_severity) == 5, name
        assert by_severity == sorted(by_severity), name
    assert [line.rpartition(": ")[2] for line in lines[5:]] == ["True", "True"]


@pytest.mark.slow
def test_new_encoder(tmp_path: Path) -> None:
    output = printed("new_encoder.py", tmp_path)
    assert re.search(r"direct \(baseline\) +│ +\d+\.\d \[\d+\.\d, \d+\.\d\]", output), output
    assert re.search(r"fading +│ +fgsm +│ +[-+]\d+\.\d +│ +\[.*\] +│ .*│ +networks +│ +1 vs 1 ", output), output


@pytest.mark.slow
def test_import_weights(tmp_path: Path) -> None:
    output = printed("import_weights.py", tmp_path)
    assert re.search(r"^\d\d tensors have found their place; left over: none$", output, re.MULTILINE)
    assert "113,170 parameters; images (2, 3, 32, 32) to logits (2, 10)" in output


@pytest.mark.slow
def test_run_a_suite(tmp_path: Path) -> None:
    output = printed("run_a_suite.py", tmp_path)
    assert "6 trainings, 12 evaluations" in output
    assert "published results/quickstart/v1.0, 0 cells failed" in output
    rows = re.findall(r"^(\w+ \w+): [\d.]+% \[[\d.]+%, [\d.]+%\]$", output, re.MULTILINE)
    assert rows == ["direct clean", "direct fgsm", "stf clean", "stf fgsm"]
    said = re.findall(r"^(\w+): .*\bstf\b.*\bdirect\b.* 3 and 3 seeds", output, re.MULTILINE)
    assert said == ["clean", "fgsm"]
