"""The notebooks run from top to bottom, and are committed without outputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def text_of(cell: dict[str, Any]) -> str:
    """What a cell printed and showed."""
    outputs = cell.get("outputs", [])
    return "".join(found.get("text", "") + found.get("data", {}).get("text/plain", "") for found in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert cells
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("published_table", ["<quickstart v3.0: 3 models, 5 evaluations, 100 samples of digits>", "stf and direct"]),
        ("new_encoder", ["([], ", "<mine draft: 2 models, 2 evaluations, 40 samples of digits>", "('methods', "]),
        ("my_network", ["<mine draft: 2 models, 2 evaluations, 50 samples of digits>", "trained networks of mine"]),
    ],
)
def test_notebooks_run(monkeypatch: pytest.MonkeyPatch, name: str, shown: list[str]) -> None:
    nbclient = pytest.importorskip("nbclient", reason="comes with the extra 'test'")
    nbformat = pytest.importorskip("nbformat", reason="comes with nbclient")
    pytest.importorskip("ipykernel", reason="comes with the extra 'test'")
    pytest.importorskip("pandas", reason="comes with the extra 'test'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb", as_version=4)
    folder = ROOT / "docs" / "notebooks"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    texts = "\n".join(text_of(cell) for cell in notebook.cells)
    for text in shown:
        assert text in " ".join(texts.split()), texts
    assert {path.suffix for path in folder.iterdir()} == {".ipynb"}


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"published_table", "new_encoder", "my_network"}
