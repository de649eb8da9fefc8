"""The wheel holds the tree, whole; the links are what they should be."""

from __future__ import annotations

import ast
import os
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
LINKED = ("encoders", "backbones", "suites")
SUFFIXES = {".py", ".pyi", ".yaml", ".yml", ".json", ".html", ".css", ".js", ".svg", ".txt"}
FOLDERS = {"robustbench_snn": "robustbench_snn", **{f"robustbench_snn/{name}": name for name in LINKED}}


def files_of_the_tree() -> dict[str, Path]:
    """What a wheel must hold, by its path in the wheel."""
    found = {}
    for inside, folder in FOLDERS.items():
        for directory, names, files in os.walk(ROOT / folder, followlinks=False):
            names[:] = [n for n in names if n != "__pycache__" and not (Path(directory) / n).is_symlink()]
            for file in files:
                path = Path(directory) / file
                if path.suffix in SUFFIXES or path.name == "py.typed":
                    found[f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"] = path
    return found


def test_every_package_of_the_tree_is_listed() -> None:
    inits = [Path(name) for name in files_of_the_tree() if name.endswith("__init__.py")]
    packages = {str(path.parent).replace("/", ".") for path in inits}
    assert packages == set(SETUP["packages"])


def test_every_folder_with_python_files_is_a_package() -> None:
    files = files_of_the_tree()
    folders = {str(Path(name).parent) for name in files if name.endswith(".py")}
    assert all(f"{folder}/__init__.py" in files for folder in folders)


def test_links_are_relative_and_point_to_the_folders_beside() -> None:
    for name in ("encoders", "backbones", "suites"):
        assert os.readlink(ROOT / "robustbench_snn" / name) == f"../{name}"


def test_nobody_imports_the_folders_by_their_short_names() -> None:
    """A second module object would register everything twice."""
    for inside, path in files_of_the_tree().items():
        if not inside.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
            assert not {name.split(".")[0] for name in names} & {"encoders", "backbones", "suites"}, path


@pytest.mark.skipif("RBSNN_WHEEL" not in os.environ, reason="RBSNN_WHEEL names no built wheel")
def test_the_wheel_holds_every_file_of_the_tree_and_no_other() -> None:
    with zipfile.ZipFile(os.environ["RBSNN_WHEEL"]) as wheel:
        inside = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    tree = {name: path.read_bytes() for name, path in files_of_the_tree().items()}
    assert set(inside) == set(tree)
    assert inside == tree
