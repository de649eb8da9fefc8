"""``new_component`` writes files that work as they are."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_snn import testing
from robustbench_snn.errors import UserError
from robustbench_snn.testing.scaffold import TEMPLATES, new_component

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one component of every kind, and their tests."""
    folder = tmp_path_factory.mktemp("new") / "mine"
    for kind in TEMPLATES:
        files = new_component(kind, f"fading_{kind}", folder)
        assert [file.name for file in files] == [f"fading_{kind}.py", f"test_fading_{kind}.py"]
    return folder


def test_new_files_pass_their_own_tests(written: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)]
    done = subprocess.run(command, cwd=written, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kits = {kind: getattr(testing, f"{kind.title().replace('_', '')}Conformance") for kind in TEMPLATES}
    checks = sum(name.startswith("test_") for kit in kits.values() for name in dir(kit))
    assert f"{checks + 1} passed" in done.stdout  # and the encoder's formula


def test_new_files_pass_the_linters(written: Path) -> None:
    if subprocess.run([sys.executable, "-m", "ruff", "--version"], capture_output=True).returncode:
        pytest.skip("ruff is not installed")
    for command in (["check"], ["format", "--check"]):
        lint = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(written)]
        done = subprocess.run(lint, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout


def test_every_kind_with_a_kit_has_a_template() -> None:
    assert set(TEMPLATES) == set(testing.CHECKS)
    assert {path.stem for path in (ROOT / "robustbench_snn/testing/templates").glob("*.py")} == {*TEMPLATES, "__init__"}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_templates_import_the_one_face_only(kind: str) -> None:
    tree = ast.parse((ROOT / "robustbench_snn/testing/templates" / f"{kind}.py").read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert {name for name in modules if name.startswith("robustbench_snn")} == {"robustbench_snn.plugins"}


def test_kinds_without_a_template(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rbsnn new writes encoder, .*not 'recipe'"):
        new_component("recipe", "mine", tmp_path)


@pytest.mark.parametrize("name", ["My", "a-b", "2fast", "class", "_x", ""])
def test_impossible_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot name a component"):
        new_component("encoder", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_taken_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'stf' exists already"):
        new_component("encoder", "stf", tmp_path)
    new_component("encoder", "mine", tmp_path)
    (tmp_path / "mine.py").unlink()
    with pytest.raises(UserError, match=r"test_mine\.py exists already"):
        new_component("encoder", "mine", tmp_path)
    assert not (tmp_path / "mine.py").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        new_component("encoder", "mine", tmp_path / "file" / "below")
