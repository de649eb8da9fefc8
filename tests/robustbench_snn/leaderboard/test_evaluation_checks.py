"""Records that are sound by themselves, and are not those of the column that names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.leaderboard import evaluation_checks
from robustbench_snn.leaderboard.evaluation_checks import wrong_evaluations
from robustbench_snn.leaderboard.lookup import find_version
from robustbench_snn.leaderboard.record_checks import read_records
from robustbench_snn.leaderboard.table import Score, Table
from robustbench_snn.leaderboard.versions import load_table
from robustbench_snn.store.records import Record

RESULTS = Path(__file__).resolve().parents[3] / "results"
Version = tuple[Table, dict[str, Record]]


@pytest.fixture(scope="module")
def quickstart() -> Version:
    version = find_version(RESULTS, "quickstart")
    table = load_table(RESULTS, "quickstart", version)
    assert isinstance(table, Table)
    records, broken = read_records(RESULTS / "quickstart" / str(version))
    assert broken == []
    return table, records


def scored(table: Table, label: str, change: Callable[[Score], Score]) -> Table:
    """The table with another score in a column of its second row."""
    row = table.rows[1]
    row = row.model_copy(update={"cells": {**row.cells, label: change(row.cells[label])}})
    return table.model_copy(update={"rows": (table.rows[0], row, *table.rows[2:])})


def with_records(change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Callable[[Score], Score]:
    return lambda score: score.model_copy(update={"records": change(score.records)})


def without(kind: str) -> Callable[[Version], Version]:
    """Genuine records left out: those of the corruption that costs most."""

    def change(version: Version) -> Version:
        table, records = version
        left = with_records(
            lambda keys: tuple(k for k in keys if records[k].identity["evaluation"]["parameters"]["types"] != [kind])
        )
        return scored(table, "corruptions", left), records

    return change


def changed(label: str, **parameters: Any) -> Callable[[Version], Version]:
    """Records of another evaluation of the same name."""

    def change(version: Version) -> Version:
        table, records = version
        theirs = dict(records)
        for key in table.rows[1].cells[label].records:
            identity = json.loads(json.dumps(records[key].identity))
            identity["evaluation"]["parameters"] |= parameters
            theirs[key] = records[key].model_copy(update={"identity": identity})
        return table, theirs

    return change


def components(label: str) -> Callable[[Version], Version]:
    def change(version: Version) -> Version:
        table, records = version
        theirs = dict(records)
        for key in table.rows[1].cells[label].records:
            evaluation = records[key].identity["evaluation"]
            ran = {name: [99] for name in evaluation["components"]}
            identity = {**records[key].identity, "evaluation": {**evaluation, "components": ran}}
            theirs[key] = records[key].model_copy(update={"identity": identity})
        return table, theirs

    return change


def twice(version: Version) -> Version:
    table, records = version
    return scored(table, "corruptions", with_records(lambda keys: (*keys, keys[0]))), records


CASES: dict[str, tuple[Callable[[Version], Version], str]] = {
    "a part less": (without("glass_blur"), "corruptions, seed"),
    "a part twice": (twice, "corruptions, seed 0"),
    "another radius": (changed("pgd", eps=0.0001), "parameters/eps: expected 0.09"),
    "another severity": (changed("corruptions", severities=[1]), "corruptions, seed"),
    "another version of an attack": (components("pgd"), "components/attacks/pgd"),
}


@pytest.mark.parametrize("computed", [True, False], ids=["by this program", "by another program"])
@pytest.mark.parametrize("name", CASES)
def test_other_evaluations_than_the_protocol_lists_are_named(
    quickstart: Version, name: str, computed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, told = CASES[name]
    if not computed:
        monkeypatch.setattr(evaluation_checks, "_computed_here", lambda entry: None)
    assert list(wrong_evaluations(*quickstart)) == []
    found = list(map(str, wrong_evaluations(*change(quickstart))))
    assert any(told in finding for finding in found), found
    assert all(quickstart[0].rows[1].model in finding for finding in found), found


def test_parts_that_all_rows_lack_are_missed(quickstart: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the rows agree, the protocol still lists what was to be run."""
    table, records = quickstart
    monkeypatch.setattr(evaluation_checks, "_computed_here", lambda entry: None)
    kept = with_records(
        lambda keys: tuple(k for k in keys if records[k].identity["evaluation"]["parameters"]["types"] != ["fog"])
    )
    rows = tuple(
        row.model_copy(update={"cells": {**row.cells, "corruptions": kept(row.cells["corruptions"])}})
        for row in table.rows
    )
    found = list(map(str, wrong_evaluations(table.model_copy(update={"rows": rows}), records)))
    assert any("corruptions/fog" in finding for finding in found), found


def test_columns_cannot_be_taken_out_of_the_comparisons(quickstart: Version) -> None:
    table, records = quickstart
    assert table.repeats == ("timesteps",)
    for repeats in (("timesteps", "pgd"), (), ("timesteps", "none of them")):
        found = list(wrong_evaluations(table.model_copy(update={"repeats": repeats}), records))
        assert [finding.column.partition("/")[0] for finding in found] == ["repeats"]
