"""Published tables and suites from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import robustbench_snn
from robustbench_snn import LoadedTable, compare, load_table, run
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import Table
from tests.tiny_suite import TINY

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"


def test_a_table_is_found_by_name_version_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_table("quickstart", "3.0", results=RESULTS)
    assert repr(wanted) == "<quickstart v3.0: 3 models, 5 evaluations, 100 samples of digits>"
    assert load_table(RESULTS / "quickstart" / "v3.0") == wanted
    monkeypatch.setenv("RBSNN_RESULTS", str(RESULTS))
    assert load_table("quickstart/v3.0") == wanted
    assert repr(load_table("quickstart", "v1.0")).startswith("<quickstart v1.0")
    for name, version in (("quickstrat", None), ("quickstart", "9.9")):
        with pytest.raises(UserError, match="no"):
            load_table(name, version)


def test_outcomes_are_what_the_table_was_made_of() -> None:
    found = load_table("quickstart", "3.0", results=RESULTS)
    assert isinstance(found.table, Table)
    for row in found.table.rows:
        score = row.cells["pgd"]
        outcomes = found.outcomes(row.model, "pgd")
        assert outcomes.shape == (score.seeds, found.table.samples)
        assert outcomes.mean() == pytest.approx(score.accuracy)
        if against := score.against:
            made = compare(outcomes, found.outcomes(against.baseline, "pgd"))
            assert made.p_value == pytest.approx(against.p_value)
    for table, model in ((found, "nobody"), (load_table("quickstart", "1.0", results=RESULTS), "direct")):
        with pytest.raises(UserError, match="has no outcomes of"):
            table.outcomes(model, "pgd")


def test_a_notebook_shows_a_table_with_names_escaped() -> None:
    found = load_table("quickstart", "3.0", results=RESULTS)
    page = found._repr_html_()
    assert page.startswith("<table><caption>Quickstart v3.0</caption>")
    assert page.count("<tr>") == 1 + len(found.models)
    evil = found.table.model_copy(update={"title": "<script>\u202e"})
    assert "<script>" not in LoadedTable(evil, "v1.0", found.folder)._repr_html_()
    assert "\u202e" not in LoadedTable(evil, "v1.0", found.folder)._repr_html_()
    assert "direct (baseline)" in str(found)
    assert "<caption>" in load_table("quickstart", "1.0", results=RESULTS)._repr_html_()


def test_a_data_frame_has_a_row_a_score() -> None:
    pandas = pytest.importorskip("pandas")
    found = load_table("quickstart", "3.0", results=RESULTS)
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.model.unique()) == found.models
    assert len(frame) == sum(len(row.cells) for row in found.table.rows)
    score = next(row for row in found.table.rows if row.model == "imp").cells["pgd"]
    (shown,) = frame[(frame.model == "imp") & (frame.evaluation == "pgd")].to_dict("records")
    assert shown["accuracy"] == score.accuracy


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'robustbench_snn\[pandas\]'"):
        load_table("quickstart", results=RESULTS).to_pandas()


def test_a_suite_is_run_and_stored(tmp_path: Path) -> None:
    folders: dict[str, Any] = {"store": tmp_path / "runs", "results": tmp_path / "results", "device": "cpu"}
    draft = run(TINY, **folders)
    assert (draft.version, draft.failed, draft.models) == ("draft", (), ["direct"])
    assert draft.outcomes("direct", "clean").shape == (1, 20)
    assert not (tmp_path / "results").exists()
    published = run(TINY, publish=True, **folders)
    assert published.version == "v1.0"
    assert load_table("tiny", results=tmp_path / "results") == published
    assert len(list(tmp_path.glob("runs/cells/*/record.json"))) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"suite": "nowhere.yaml"}, "no suite file"),
        ({"suite": TINY | {"modles": []}}, "modles"),
        ({"suite": TINY, "changes": ["timesteps=3"]}, "change the mapping"),
        ({"suite": TINY, "device": "cudaa"}, "device 'cudaa' cannot be used"),
        ({"suite": TINY, "plugins": ["missing.py"]}, "is not a file"),
    ],
)
def test_what_cannot_be_run_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(**given)


def test_the_package_names_them_and_imports_nothing_for_it() -> None:
    assert {"run", "load_table", "LoadedTable"} <= set(dir(robustbench_snn))
    code = (
        "import sys, robustbench_snn as rb\ndir(rb)\n"
        "heavy = {'torch', 'numpy', 'pandas', 'rich', 'pydantic', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
