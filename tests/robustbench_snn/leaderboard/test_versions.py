"""Published versions: numbered by protocol, immutable, entries carried over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard import publication
from robustbench_snn.leaderboard.aggregation import Outcomes
from robustbench_snn.leaderboard.statistics import wilson
from robustbench_snn.leaderboard.table import Against, Measure, Row, Score, Table
from robustbench_snn.leaderboard.versions import Version, load_record, load_table, tables, versions
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import read_samples
from tests.provenance import PROVENANCE


def score(accuracy: float | None = 0.5, **changes: Any) -> Score:
    values = {
        "accuracy": accuracy,
        "half_width": None if accuracy is None else wilson(accuracy, 10).half_width,
        "spread": None,
        "samples": 10,
        "metrics": {"accuracy": accuracy},
        "flags": (),
        "comparable": True,
        "records": ("k" * 64,),
    }
    return Score(**(values | changes))


def row(model: str, **scores: Score) -> Row:
    return Row(
        model=model,
        identity={"encoder": {"name": model}},
        timesteps=4,
        parameters=1234567,
        seeds=(0, 1),
        cells=scores or {"clean": score()},
        training=("t" * 64,),
    )


def record(key: str) -> Record:
    return Record(
        key=key,
        kind="evaluate",
        status="done",
        suite="tab",
        model="m",
        identity={},
        seed=0,
        timesteps=4,
        parameters=1,
        metrics={"accuracy": 0.5},
        provenance=PROVENANCE,
    )


def table(*rows: Row, protocol: str = "p", columns: tuple[str, ...] = ("clean",)) -> Table:
    return Table(
        name="tab",
        title="Tab",
        description="a | b",
        suite="tab",
        protocol={"x": protocol},
        protocol_hash=protocol * 64,
        dataset="digits",
        samples=10,
        columns=columns,
        confidence=0.95,
        rows=rows or (row("direct"),),
    )


def outcomes(*models: str) -> Outcomes:
    return {(model, "clean"): np.full(10, 0.5) for model in models or ("direct",)}


def publish(what: Table, per_sample: Outcomes, results: Path) -> Path:
    keys = {key for entry in what.rows for key in (*entry.training, *entry.cells["clean"].records)}
    return publication.publish(what, per_sample, [record(key) for key in sorted(keys)], results)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_versions_count_up_and_published_ones_never_change(tmp_path: Path) -> None:
    first = publish(table(), outcomes(), tmp_path)
    before = snapshot(first)
    assert publish(table(), outcomes(), tmp_path).name == "v1.1"
    assert publish(table(protocol="q"), outcomes(), tmp_path).name == "v2.0"
    assert publish(table(protocol="q"), outcomes(), tmp_path).name == "v2.1"
    assert first.name == "v1.0"
    assert snapshot(first) == before
    assert [str(version) for version in versions(tmp_path, "tab")] == ["v1.0", "v1.1", "v2.0", "v2.1"]


def test_entries_that_were_not_measured_again_carry_over(tmp_path: Path) -> None:
    publish(table(row("direct"), row("stf", clean=score(0.7))), outcomes("direct", "stf"), tmp_path)
    folder = publish(table(row("stf", clean=score(0.9)), row("new")), outcomes("stf", "new"), tmp_path)
    found = {entry.model: entry.cells["clean"].accuracy for entry in load_table(tmp_path, "tab").rows}
    assert found == {"stf": 0.9, "new": 0.5, "direct": 0.5}
    assert set(read_samples(folder / "samples.parquet")) == {"sample", "stf/clean", "new/clean", "direct/clean"}


def test_entries_of_another_protocol_do_not_carry_over(tmp_path: Path) -> None:
    publish(table(row("old")), outcomes("old"), tmp_path)
    publish(table(row("new"), protocol="q"), outcomes("new"), tmp_path)
    assert [entry.model for entry in load_table(tmp_path, "tab").rows] == ["new"]


def test_the_page_shows_the_number_its_interval_and_what_to_read_with_it(tmp_path: Path) -> None:
    against = Against(
        baseline="direct", difference=0.1, low=0.02, high=0.18, p_value=0.01, adjusted_p_value=0.03, detectable=0.1
    )
    rows = (
        row("direct"),
        row("stf", clean=score(0.6, spread=0.012, against=against, flags=("zero-gradient",))),
        row("paper", clean=score(0.9, comparable=False)),
    )
    folder = publish(table(*rows), outcomes("direct", "stf", "paper"), tmp_path)
    page = (folder / "leaderboard.md").read_text()
    half = 100 * wilson(0.6, 10).half_width
    assert f"60.0 ± {half:.1f} (sd 1.2)" in page
    assert "| direct (baseline) |" in page
    assert "1,234,567" in page
    assert "+10.0 [+2.0, +18.0], p = 0.03" in page
    assert "zero-gradient" in page
    assert "90.0 ± " in page
    assert "†" in page
    html = (folder / "leaderboard.html").read_text()
    assert "a | b" in html
    assert "<script" not in html
    assert json.loads((folder / "table.json").read_text())["protocol_hash"] == "p" * 64


def test_other_measures_have_a_table_of_their_own(tmp_path: Path) -> None:
    measures = (
        Measure(label="profile", metric="firing_rate", heading="firing rate %"),
        Measure(label="profile", metric="synops", heading="SynOps"),
    )
    profile = score(accuracy=None, half_width=None, metrics={"firing_rate": 0.1234, "synops": 2345678.0})
    shown = table(row("direct", clean=score(), profile=profile)).model_copy(update={"measures": measures})
    page = (publish(shown, outcomes(), tmp_path) / "leaderboard.md").read_text()
    assert "| model | firing rate % | SynOps |" in page
    assert "| direct | 12.3 | 2.346e+06 |" in page


def test_names_are_escaped_in_html(tmp_path: Path) -> None:
    folder = publish(table(row("<script>alert(1)</script>")), {}, tmp_path)
    assert "<script>" not in (folder / "leaderboard.html").read_text()


def test_the_index_links_every_version(tmp_path: Path) -> None:
    publish(table(), outcomes(), tmp_path)
    publish(table(), outcomes(), tmp_path)
    index = (tmp_path / "README.md").read_text()
    assert "tab/v1.0/leaderboard.md" in index
    assert "tab/v1.1/leaderboard.md" in index
    assert tables(tmp_path) == ["tab"]


def test_every_number_can_be_followed_to_its_record(tmp_path: Path) -> None:
    publish(table(row("direct", clean=score(records=("a" * 64,)))), outcomes(), tmp_path)
    publish(table(row("stf", clean=score(records=("b" * 64,)))), outcomes("stf"), tmp_path)
    for key in "ab":
        assert load_record(tmp_path, "tab", Version(1, 1), key * 12).metrics["accuracy"] == 0.5
    with pytest.raises(StoreError, match="no records"):
        load_record(tmp_path, "tab", Version(1, 1), "c")


def test_missing_and_damaged_tables_are_clear(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no published table 'tab'"):
        load_table(tmp_path, "tab")
    folder = publish(table(), outcomes(), tmp_path)
    (folder / "table.json").write_text("{}")
    with pytest.raises(StoreError, match="is damaged"):
        load_table(tmp_path, "tab")


def test_a_publication_that_fails_leaves_no_version(tmp_path: Path) -> None:
    (tmp_path / "tab").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="every record is kept"):
        publish(table(), outcomes(), tmp_path)
    assert versions(tmp_path, "tab") == []
