"""A published table grows by seeds, on a machine that has none of its records: only new seeds are computed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.exchange.merging import merge_tables
from robustbench_snn.exchange.onto import complete_suite, plan_onto
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.table import Gap
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.pipeline import Finished, run_plan
from robustbench_snn.plan.plan import Plan
from robustbench_snn.suites.corruption import Corruptions
from tests.robustbench_snn.exchange.conftest import SUITE, Place

PARTS: dict[str, Any] = SUITE | {
    "evaluations": ["clean", {"corruptions": {"types": ["contrast", "brightness"], "severities": [3], "limit": 12}}]
}
"""An evaluation in two parts, of fewer samples than the other one."""

GROWN = {name: value for name, value in PARTS.items() if name != "grid"} | {
    "models": [
        {"name": "direct", "encoder": "direct", "seeds": [3, 0, 1]},
        {"name": "sigma_delta", "encoder": "sigma_delta"},
    ]
}
"""One more seed of one of the two models."""


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two seeds of two models, published; not to be changed."""
    folder = tmp_path_factory.mktemp("first")
    place = Place(folder / "runs", folder / "results")
    assert place.run(PARTS, mode="publish").released.status == "published"
    return place


@pytest.fixture
def alone(first: Place, tmp_path: Path) -> Place:
    """The published table without any records."""
    shutil.copytree(first.results, tmp_path / "results")
    return Place(tmp_path / "runs", tmp_path / "results")


def planned(place: Place, suite: dict[str, Any]) -> tuple[Plan, Published]:
    published = read_version(find_version("tiny", place.results))
    spec = complete_suite(suite, "grown.yaml", published)
    return plan_onto(spec, published, load_dataset(spec.dataset.name, **spec.dataset.parameters)), published


def grow(place: Place, suite: dict[str, Any], **settings: Any) -> Finished:
    plan, published = planned(place, suite)
    return run_plan(plan, place.store, place.results, RunSettings(), base=published.base(), **settings)


def computed(place: Place) -> list[tuple[str, str, int]]:
    records = [json.loads(path.read_text()) for path in place.store.glob("cells/*/record.json")]
    return sorted((record["kind"], record["model"], record["seed"]) for record in records)


def test_a_new_seed_joins_the_published_ones_as_if_run_with_them(alone: Place, first: Place, tmp_path: Path) -> None:
    released = grow(alone, GROWN, mode="publish").released
    assert (released.status, released.label) == ("published", "v1.1")
    assert computed(alone) == [("evaluate", "direct", 3)] * 3 + [("train", "direct", 3)]
    shutil.copytree(first.store, tmp_path / "all")
    in_order = GROWN | {"models": [GROWN["models"][0] | {"seeds": [0, 1, 3]}, GROWN["models"][1]]}
    at_once = Place(tmp_path / "all", tmp_path / "at_once").run(in_order, mode="publish")
    assert released.table.rows == at_once.released.table.rows
    assert released.table.rows[0].seeds == (0, 1, 3)
    assert released.table.rows[0].cells["corruptions"].samples == 12
    assert [str(finding) for found in verify(alone.results) for finding in found.findings] == []
    ours, theirs = (read_version(found.folder).content.outcomes for found in (released, at_once))
    assert {place: sorted(seeds) for place, seeds in ours.by_seed.items()} == {
        place: sorted(seeds) for place, seeds in theirs.by_seed.items()
    }


def test_a_suite_that_stands_needs_no_record_and_computes_nothing(alone: Place) -> None:
    for suite in (PARTS, PARTS | {"seeds": [0, 1]}, GROWN | {"models": [GROWN["models"][1] | {"seeds": [1]}]}):
        finished = grow(alone, suite, mode="publish")
        assert (finished.released.status, finished.released.label) == ("stands", "v1.0")
    assert not alone.store.exists()


def test_seeds_of_all_models_may_be_those_of_the_table_and_more(alone: Place) -> None:
    plan, _ = planned(alone, PARTS | {"seeds": [2, 1, 0]})
    assert [(cell.model.name, cell.seed) for cell in plan.train] == [("direct", 2), ("sigma_delta", 2)]
    assert len(plan.evaluate) == 6
    with pytest.raises(UserError, match=r"seeds: the suite says \[1, 2\], the table's models have \[0, 1\]"):
        planned(alone, PARTS | {"seeds": [1, 2]})


def test_another_model_of_a_rows_name_is_refused_whatever_its_seeds(alone: Place) -> None:
    other = [{"name": "direct", "encoder": "direct", "timesteps": 3, "seeds": [7]}]
    with pytest.raises(UserError, match="'direct' already, and it is another one: give yours another name"):
        planned(alone, GROWN | {"models": other})


def with_hole(published: Published) -> Published:
    """The table as if a condition of one seed of its first row had failed."""
    row = published.table.rows[0]
    gaps = {"corruptions": Gap(complete=1, wanted=2, lacks="seed 1: contrast")}
    row = row.model_copy(update={"cells": {"clean": row.cells["clean"]}, "gaps": gaps})
    table = published.table.model_copy(update={"rows": (row, *published.table.rows[1:])})
    return replace(published, content=replace(published.content, table=table))


def test_a_row_that_lacks_something_is_computed_as_a_whole(alone: Place) -> None:
    published = with_hole(read_version(find_version("tiny", alone.results)))
    spec = complete_suite(PARTS, "grown.yaml", published)
    dataset = load_dataset(spec.dataset.name, **spec.dataset.parameters)
    assert [cell.title for cell in plan_onto(spec, published, dataset).train] == [
        "train direct, seed 0",
        "train direct, seed 1",
    ]
    spec = complete_suite(GROWN | {"models": [GROWN["models"][0] | {"seeds": [1, 2]}]}, "grown.yaml", published)
    with pytest.raises(UserError, match="'direct' already, and it cannot stand as it is here: run all of its seeds"):
        plan_onto(spec, published, dataset)


def test_a_row_whose_records_are_not_all_there_is_computed_as_a_whole(alone: Place) -> None:
    published = read_version(find_version("tiny", alone.results))
    lost = published.table.rows[1].cells["clean"].records[1]
    lines = {key: line for key, line in published.content.records.items() if key != lost}
    spec = complete_suite(PARTS, "grown.yaml", published)
    dataset = load_dataset(spec.dataset.name, **spec.dataset.parameters)
    lacking = replace(published, content=replace(published.content, records=lines))
    assert [cell.title for cell in plan_onto(spec, lacking, dataset).train] == [
        "train sigma_delta, seed 0",
        "train sigma_delta, seed 1",
    ]


def test_seeds_under_a_newer_version_of_keys_do_not_join_as_second_ones(
    alone: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustbench_snn.plan import keys

    monkeypatch.setattr(keys, "KEY_VERSION", keys.KEY_VERSION + 1)
    for suite in (PARTS, GROWN):
        with pytest.raises(UserError, match="'direct' already, and it cannot stand as it is here"):
            planned(alone, suite)


def test_a_new_seed_that_fails_leaves_a_draft_that_says_so(alone: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Corruptions.run

    def fails(self: Corruptions, subject: Subject) -> Outcome:
        if self.names == ["contrast"]:
            raise UserError("no contrast")
        return run(self, subject)

    monkeypatch.setattr(Corruptions, "run", fails)
    finished = grow(alone, GROWN, mode="publish")
    assert finished.released.status == "draft"
    row = finished.released.table.rows[0]
    assert row.seeds == (0, 1, 3)
    assert set(row.cells) == {"clean"}
    assert row.cells["clean"].seeds == 3
    assert row.gaps["corruptions"] == Gap(complete=2, wanted=3, lacks="seed 3: contrast")
    assert row.failures == {"corruptions": "no contrast"}


def test_a_row_of_more_seeds_takes_the_place_of_one_that_it_holds(alone: Place) -> None:
    draft = read_version(grow(alone, GROWN, mode="draft").folder)
    released = merge_tables({"draft": draft}, alone.results, publish=True)
    assert (released.label, released.table.rows[0].seeds) == ("v1.1", (0, 1, 3))
    older = read_version(alone.results / "tiny" / "v1.0")
    assert merge_tables({"older": older}, alone.results, publish=True).status == "stands"
    assert [str(finding) for found in verify(alone.results) for finding in found.findings] == []


def test_a_merge_joins_no_seeds_it_takes_the_row_that_is_preferred(alone: Place, tmp_path: Path) -> None:
    other = {name: value for name, value in GROWN.items() if name != "table"}
    other["models"] = [{"name": "direct", "encoder": "ttfs", "seeds": [3]}]
    draft = read_version(Place(tmp_path / "other", tmp_path / "none").run(other, mode="draft").folder)
    with pytest.raises(UserError, match="rows of one name that differ: 'direct'"):
        merge_tables({"draft": draft}, alone.results, publish=True)
    table = merge_tables({"draft": draft}, alone.results, prefer=draft.folder, publish=True).table
    row = next(row for row in table.rows if row.model == "direct")
    assert (row.seeds, row.identity["encoder"]["name"]) == ((3,), "ttfs")
    assert {score.seeds for score in row.cells.values()} == {1}
    assert [str(finding) for found in verify(alone.results) for finding in found.findings] == []
