"""``rbsnn leaderboard export`` on a published table."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robustbench_snn.cli import app

RESULTS = Path(__file__).resolve().parents[3] / "results"
TABLE = json.loads((RESULTS / "quickstart/v3.0/table.json").read_text())


def exported(form: str, *more: str, table: str = "quickstart/v3.0") -> str:
    done = CliRunner().invoke(app, ["leaderboard", "export", table, "--results", str(RESULTS), "--format", form, *more])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_csv_has_every_score_and_comparison() -> None:
    rows = {(row["model"], row["evaluation"]): row for row in csv.DictReader(io.StringIO(exported("csv")))}
    for model in TABLE["rows"]:
        for label, score in model["cells"].items():
            row = rows.pop((model["model"], label))
            assert float(row["accuracy"]) == score["accuracy"]
            assert row["rank"] == ("" if score["rank"] is None else str(score["rank"]))
            if score["against"]:
                assert float(row["adjusted_p_value"]) == score["against"]["adjusted_p_value"]
                assert row["scope"] == score["against"]["scope"]
            if label == "corruptions":
                assert float(row["corruptions/rpc"]) == score["metrics"]["rpc"]
    assert not rows


def test_json_is_the_table() -> None:
    found = json.loads(exported("json"))
    since: dict[str, object] = {
        "dataset_title": None,
        "reported": [],
        "weights": None,
        "mixed": None,
        "layout": "plain",
    }  # fields that this version is older than
    assert {name: found.pop(name) for name in since} == since
    assert [row.pop("notes") for row in found["rows"]] == [[]] * 3
    assert found == TABLE


def test_latex_has_rules_and_a_line_a_model() -> None:
    page = exported("latex")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{Quickstart v3.0}"):
        assert page.count(rule) == 1
    assert "97.7 (sd 0.6) {[}94.3, 99.1{]}" in page


def test_markdown_says_the_summary_first_and_folds_the_keys_away(tmp_path: Path) -> None:
    exported("markdown", "--to", str(tmp_path / "page.md"))
    page = (tmp_path / "page.md").read_text()
    order = ["In short", "clean", "pgd", "Besides accuracy", "How to read this", "Reproduce"]
    places = [*(page.index(f"## {part}") for part in order), page.index("<details>")]
    assert places == sorted(places)
    assert "rbsnn run quickstart --draft" in page
    key = TABLE["rows"][0]["cells"]["clean"]["records"][0][:12]
    assert key not in page.split("<details>")[0]
    assert key in page.split("<details>")[1]
    best = max(TABLE["rows"], key=lambda row: row["cells"]["pgd"]["accuracy"])["model"]
    assert re.search(r"## pgd\n\n\|.*\n\|.*\n\| 1 \| (\S+)", page)[1] == best  # type: ignore[index]


@pytest.mark.parametrize("form", ["csv", "latex", "json", "markdown"])
def test_tables_of_the_first_schema_are_exported_too(form: str) -> None:
    assert "direct" in exported(form, table="quickstart/v1.0")
