"""Guards over the published versions: whole, unique, readable, and rendered by this program."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.pages import render_pages, render_terminal
from robustbench_snn.leaderboard.table import SCHEMA_VERSION, AnyTable, Table
from robustbench_snn.leaderboard.versions import Version, load_record, load_table, tables, versions
from robustbench_snn.store.store import read_samples

RESULTS = Path(__file__).resolve().parent.parent / "results"
PUBLISHED = [(name, version) for name in tables(RESULTS) for version in versions(RESULTS, name)]


def mean_outcomes(path: Path, table: AnyTable) -> dict[str, float]:
    if isinstance(table, Table):
        outcomes = read_outcomes(path)
        return {"/".join(place): float(outcomes.of(place).mean()) for place in outcomes.by_seed}
    return {name: float(column.mean(dtype=float)) for name, column in read_samples(path).items()}


def test_there_is_a_published_table() -> None:
    assert PUBLISHED


@pytest.mark.parametrize(("name", "version"), PUBLISHED, ids=lambda value: str(value))
def test_a_published_version_is_whole(name: str, version: Version) -> None:
    folder = RESULTS / name / str(version)
    table = load_table(RESULTS, name, version)
    assert table.schema_version <= SCHEMA_VERSION
    assert table.name == name
    models = [row.model for row in table.rows]
    assert len(models) == len(set(models))
    shares = mean_outcomes(folder / "samples.parquet", table)
    for row in table.rows:
        for label, cell in row.cells.items():
            assert all(load_record(RESULTS, name, version, key).key == key for key in cell.records)
            if cell.accuracy is not None and cell.comparable:
                assert shares[f"{row.model}/{label}"] == pytest.approx(cell.accuracy, abs=1e-6)
    console = Console(width=300, file=StringIO(), record=True)
    console.print(render_terminal(table, str(version)))
    screen = console.export_text()
    assert all(model in screen for model in models)
    if isinstance(table, Table):
        assert assess(table, read_outcomes(folder / "samples.parquet")) == table
    for page, text in render_pages(table, str(version)).items():
        assert (folder / page).read_text() == text


def test_the_index_names_every_version() -> None:
    index = (RESULTS / "README.md").read_text()
    assert all(f"({name}/{version}/leaderboard.md)" in index for name, version in PUBLISHED)


def test_numbers_of_one_major_version_share_a_protocol() -> None:
    protocols: dict[tuple[str, int], str] = {}
    for name, version in PUBLISHED:
        found = load_table(RESULTS, name, version).protocol_hash
        assert protocols.setdefault((name, version.major), found) == found
