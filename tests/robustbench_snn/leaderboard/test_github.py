"""The page of a new version for GitHub: what comes first, one table a threat, plots, and versions before it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from robustbench_snn.leaderboard.pages import render_markdown, render_pages
from robustbench_snn.leaderboard.table import LAYOUT, Gap, Table
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.leaderboard.versions import load_table
from tests.tables import outcomes, publish, published, row, score, table

HOSTILE = 'a]b"<script>alert(1)</script>\u202e | that is longer than a plot has room for'
MODELS = {"direct": 0.5, "stf": 0.9, HOSTILE: 0.1}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = tuple(row(name, clean=score(), fgsm=score()) for name in MODELS)
    gapped = row("gapped", clean=score()).model_copy(update={"gaps": {"fgsm": Gap(complete=1, wanted=2, lacks="x")}})
    found = table(*rows, gapped, columns=("clean", "fgsm"), baseline="direct")
    drawn = outcomes(("clean", "fgsm"), 3, **MODELS, gapped=0.3)
    del drawn.by_seed["gapped", "fgsm"]  # type: ignore[attr-defined]
    return publish(found, drawn, tmp_path)


def test_the_summary_stands_first_then_a_table_a_threat_with_its_plot_and_the_keys_are_folded(folder: Path) -> None:
    page = (folder / "leaderboard.md").read_text()
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert titles == ["In short", "clean", "fgsm", "Models", "How to read this", "Reproduce"]
    pictures = re.findall(r"!\[[^\]]+\]\((.*)\)", page)
    assert pictures == sorted(path.name for path in folder.glob("*.svg")) == ["plot-1.svg", "plot-2.svg"]
    head, _, folded = page.partition("<details>")
    assert "kkkkkkkkkkkk" not in head
    assert "kkkkkkkkkkkk" in folded
    assert "rbsnn leaderboard export tab/v1.0 --format suite --to tab.yaml\nrbsnn run tab.yaml --draft\n" in head
    assert "| direct | 4 | 1,234,567 | 0, 1 |" in head


def test_a_plot_draws_the_table_s_numbers_the_best_first(folder: Path, tmp_path: Path) -> None:
    rows = {found.model: found.cells for found in published(tmp_path).rows}
    for label, count in (("clean", 4), ("fgsm", 3)):
        root = ET.fromstring((folder / f"plot-{1 if label == 'clean' else 2}.svg").read_text())
        dots = root.findall(f"{SVG}circle")
        told = {}
        for dot in dots:
            name, _, number = (dot.findtext(f"{SVG}title") or "").partition(", interval")[0].rpartition(": ")
            told[name] = (float(number), float(dot.attrib["cx"]))
        assert len(told) == count
        scale = {float(text.text or ""): float(text.attrib["x"]) for text in root.iter(f"{SVG}text") if _number(text)}
        for name, (accuracy, place) in told.items():
            model = HOSTILE if "script" in name else name
            assert accuracy == pytest.approx(100 * (rows[model][label].accuracy or 0), abs=0.051)
            expected = scale[0] + accuracy / 100 * (scale[100] - scale[0])
            assert place == pytest.approx(expected, abs=0.5)
        bars = {}
        for path in root.iter(f"{SVG}path"):
            if path.attrib["class"] == "bar":
                left, height, right = map(float, re.findall(r"[\d.]+", path.attrib["d"]))
                bars[height] = ((left - scale[0]), (right - scale[0]))
        for dot, name in zip(dots, told, strict=True):
            score = rows[HOSTILE if "script" in name else name][label]
            wide = (scale[100] - scale[0]) * np.array([score.low, score.high])
            assert bars[float(dot.attrib["cy"])] == pytest.approx(tuple(wide), abs=0.1)
        heights = [(float(dot.attrib["cy"]), float(dot.attrib["cx"])) for dot in dots]
        assert [across for _, across in sorted(heights)] == sorted((across for _, across in heights), reverse=True)
        base = [path for path in root.iter(f"{SVG}path") if path.attrib["class"] == "base"]
        assert [path.attrib["d"].split(" ")[0] for path in base] == [f"M{told['direct'][1]}"]
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{tag}" for tag in ("svg", "title", "style", "rect", "path", "text", "circle")
        }


def _number(text: ET.Element) -> bool:
    return bool(re.fullmatch(r"\d+", text.text or ""))


def test_a_plot_of_many_models_says_which_it_shows(tmp_path: Path) -> None:
    models = {f"m{number}": number / 30 for number in range(30)}
    folder = publish(table(*(row(name) for name in models)), outcomes(("clean",), 3, **models), tmp_path)
    plot = (folder / "plot-1.svg").read_text()
    assert plot.count("<circle") == 25
    assert "the best 25 of 30 models" in plot
    assert ">m29<" in plot
    assert ">m0<" not in plot


@pytest.mark.parametrize("layout", ["plain", "github"])
def test_a_version_of_an_old_layout_is_followed_by_one_of_the_new_and_both_verify(layout: str, tmp_path: Path) -> None:
    """What stays byte for byte is the page; that ``table.json`` of the first has no layout is what tells it."""
    folder = publish(table(), outcomes(), tmp_path)
    old = Table.model_validate_json((folder / "table.json").read_text()).model_copy(update={"layout": layout})
    data = old.model_dump(mode="json")
    page = render_pages(old, "v1.0")["leaderboard.md"]
    assert ("rbsnn run tab --draft" in page) == (layout == "github")
    if layout == "plain":
        del data["layout"]
        (folder / "plot-1.svg").unlink()
        assert page == render_markdown(old, "v1.0")
    (folder / "table.json").write_text(json.dumps(data))
    (folder / "leaderboard.md").write_text(page)
    publish(table(row("late")), outcomes(late=0.8), tmp_path)
    wrong = [finding for found in verify(tmp_path, "tab") for finding in found.findings if "line" in str(finding)]
    assert wrong == []
    (folder / "leaderboard.md").write_text("# another\n")
    wrong = [finding for found in verify(tmp_path, "tab") for finding in found.findings if "line" in str(finding)]
    assert len(wrong) == 1
    newer = load_table(tmp_path, "tab")
    assert isinstance(newer, Table)
    assert newer.layout == LAYOUT
    assert "## In short" in (tmp_path / "tab/v1.1/leaderboard.md").read_text()


def test_a_draft_says_how_its_suite_is_run() -> None:
    """Nothing of it is published that a suite could be written from."""
    page = render_pages(table().model_copy(update={"layout": "github2"}), "draft")["leaderboard.md"]
    assert "rbsnn run tab --draft" in page
    assert "export" not in page
