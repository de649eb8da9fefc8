"""A published table is extended from elsewhere: only new rows are computed, and numbers are those of one run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.onto import complete_suite, plan_onto
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.exchange.rewriting import rewritten_suite
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.manifest import file_hashes
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.pipeline import Finished, run_plan
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.suite import SuiteSpec
from tests.robustbench_snn.exchange.conftest import NEW, SUITE, Place


def planned(published: Published, suite: dict[str, Any] | None = None) -> Plan:
    spec = complete_suite(suite or NEW, "mine.yaml", published)
    return plan_onto(spec, published, load_dataset(spec.dataset.name, **spec.dataset.parameters))


def extend(place: Place, table: str, suite: dict[str, Any] | None = None, **settings: Any) -> Finished:
    published = read_version(find_version(table, place.results))
    plan = planned(published, suite)
    return run_plan(plan, place.store, place.results, RunSettings(), base=published.base(), **settings)


def findings(place: Place) -> list[str]:
    return [str(finding) for found in verify(place.results) for finding in found.findings]


@pytest.fixture(scope="session")
def at_once(published: Place, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The table of one suite with all of the models."""
    folder = tmp_path_factory.mktemp("at_once")
    models = [{"name": name, "encoder": name} for name in ("direct", "sigma_delta")] + NEW["models"]
    suite = {key: value for key, value in SUITE.items() if key != "grid"} | {"models": models}
    return Place(folder / "runs", folder / "results").run(suite, mode="publish")


def test_only_new_cells_are_computed_and_the_table_is_that_of_one_run(elsewhere: Place, at_once: Finished) -> None:
    finished = extend(elsewhere, str(elsewhere.store.parent / "download" / "tiny"), mode="publish")
    assert (finished.released.status, finished.released.label) == ("published", "v1.1")
    records = [json.loads(path.read_text()) for path in elsewhere.store.glob("cells/*/record.json")]
    assert {record["model"] for record in records} == {"mine"}
    assert sorted(record["kind"] for record in records) == ["evaluate"] * 4 + ["train"] * 2  # two seeds
    assert [row.model for row in finished.released.table.rows] == ["direct", "sigma_delta", "mine"]
    assert finished.released.table.rows == at_once.released.table.rows
    assert finished.released.table.protocol_hash == at_once.released.table.protocol_hash
    assert finished.released.table.baseline == "direct"
    assert findings(elsewhere) == []
    ours, theirs = (read_version(found.folder) for found in (finished, at_once))
    assert ours.content.outcomes.by_seed.keys() == theirs.content.outcomes.by_seed.keys()


@pytest.mark.usefixtures("clean")
def test_a_second_time_the_version_stands(elsewhere: Place) -> None:
    table = str(elsewhere.store.parent / "download" / "tiny")
    assert extend(elsewhere, table).released.label == "v1.1"
    assert extend(elsewhere, "tiny").released.status == "stands"
    with pytest.raises(UserError, match=r"has v1\.1, which follows v1\.0; extend that one"):
        extend(elsewhere, table)


def test_a_version_that_lies_alone_can_be_extended(elsewhere: Place) -> None:
    folder = elsewhere.store.parent / "unpacked"
    (elsewhere.store.parent / "download" / "tiny" / "v1.0").rename(folder)
    assert extend(elsewhere, str(folder), mode="publish").released.label == "v1.1"
    assert findings(elsewhere) == []


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        ({"evaluation_seed": 3}, ["evaluation_seed: the suite says 3, the table has 0"]),
        ({"seeds": [0]}, ["seeds: the suite says [0], the table's models have [0, 1]"]),
        ({"recipe": {"epochs": 2, "batch_size": 32}}, ["recipe: the suite says {'epochs': 2"]),
        ({"evaluations": ["clean"]}, ["evaluations: the suite says clean; the table has clean, fgsm"]),
        (
            {"evaluations": ["clean", {"fgsm": {"eps": 0.03}}]},
            ["evaluations.1.parameters.eps: the suite says 0.03, the table has 0.02"],
        ),
        ({"dataset": {"name": "digits", "limit": 10}}, ["dataset: the suite gives 10 test", "the table has 20"]),
        ({"dataset": {"name": "digits", "train_limit": 70}}, ["gives 70 training samples", "others (64)"]),
        ({"dataset": "fashion_mnist"}, ["dataset: the suite says fashion_mnist, the table has digits"]),
        ({"table": {"name": "other"}}, ["table.name: the suite says other, the table has tiny"]),
        (
            {"table": {"baseline": "mine"}, "evaluation_seed": 1},
            ["table.baseline: the suite says mine, the table has direct", "evaluation_seed: the suite says 1"],
        ),
        ({"models": [{"name": "direct", "encoder": "ttfs"}]}, ["has a model 'direct' already, and it is another"]),
    ],
)
def test_what_contradicts_the_table_is_named_with_both_values(
    published: Place, suite: dict[str, Any], told: list[str]
) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    with pytest.raises(UserError) as error:
        planned(version, NEW | suite)
    for part in told:
        assert part in str(error.value)


def test_what_is_stated_and_agrees_is_taken(published: Place) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    agreeing = {name: SUITE[name] for name in ("dataset", "seeds", "recipe", "evaluations", "table")}
    plan = planned(version, NEW | agreeing)
    assert plan.protocol_hash == version.table.protocol_hash
    assert [cell.seed for cell in plan.train] == [0, 1]
    sent = SuiteSpec.model_validate(plan.suite.model_dump(mode="json"))  # as worker processes are sent it
    assert [key_of(cell) for cell in make_plan(sent, plan.dataset).train] == [key_of(cell) for cell in plan.train]
    assert make_plan(sent, plan.dataset).protocol_hash == plan.protocol_hash
    own = planned(version, NEW | {"models": [{"name": "mine", "encoder": "ttfs", "seeds": [5], "timesteps": 3}]})
    assert [(cell.seed, cell.model.timesteps) for cell in own.train] == [(5, 3)]


def test_a_table_whose_evaluations_moved_is_refused(published: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from robustbench_snn.registry import attacks, evaluations
    from robustbench_snn.registry.component import Component

    version = read_version(published.results / "tiny" / "v1.0")
    kinds: dict[str, Any] = {"clean": evaluations, "fgsm": attacks}
    for name, registry in kinds.items():
        component: Component[Any, Any] = registry.get(name)
        newer = replace(component.declaration, version=component.declaration.version + 7)
        monkeypatch.setitem(registry._loaded, name, replace(component, declaration=newer))
    with pytest.raises(UserError, match="does not compute the evaluations of tiny v1") as error:
        planned(version)
    assert "clean: evaluations/clean was version 2, is version 9" in str(error.value)
    assert "fgsm: attacks/fgsm was version" in str(error.value)
    (commit,) = {record.provenance.git_commit for record in version.records.values()}
    assert f"made it (commit {commit[:12] if commit else 'unknown'}), or publish the table anew" in str(error.value)


@pytest.mark.usefixtures("clean")
def test_data_without_a_title_are_given_one_and_keep_it(place: Place) -> None:
    titled = NEW | {"table": {"dataset_title": "Digits of NIST"}}
    table = extend(place, "tiny", titled).released.table
    assert (table.dataset, table.data) == ("digits", "Digits of NIST (digits)")
    slow = {"name": "tiny", "models": [{"name": "slow", "encoder": "ttfs", "timesteps": 3}]}
    finished = extend(place, "tiny", slow)
    assert finished.released.table.data == "Digits of NIST (digits)"
    page = (finished.released.folder / "leaderboard.md").read_text()
    assert "20 samples of Digits of NIST (digits)" in page
    assert "| Digits of NIST (digits) |" in (place.results / "README.md").read_text()
    assert findings(place) == []
    again = rewritten_suite(read_version(finished.released.folder))
    assert again["table"]["dataset_title"] == "Digits of NIST"
    with pytest.raises(UserError, match="the suite says Letters, the table has Digits of NIST"):
        planned(read_version(finished.released.folder), NEW | {"table": {"dataset_title": "Letters"}})


def test_rows_say_where_their_records_come_from(elsewhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from robustbench_snn.execution import provenance

    monkeypatch.setattr(provenance, "cpu_name", lambda: "Another CPU, 3 threads")
    table = extend(elsewhere, str(elsewhere.store.parent / "download" / "tiny"), mode="publish").released.table
    assert table.mixed == ("machine",)
    notes = {row.model: row.notes for row in table.rows}
    assert notes["mine"] == ("machine: cpu (Another CPU)",)
    assert notes["direct"] == notes["sigma_delta"] != notes["mine"]
    assert findings(elsewhere) == []
    path = elsewhere.results / "tiny" / "v1.1" / "table.json"
    path.write_text(path.read_text().replace("machine: cpu (Another CPU)", "machine: cpu (The same)"))
    assert any("notes" in finding for finding in findings(elsewhere))


def test_a_newer_version_of_keys_is_noted_and_not_another_protocol(
    elsewhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustbench_snn.leaderboard import verification
    from robustbench_snn.plan import keys

    for module in (keys, verification):
        monkeypatch.setattr(module, "KEY_VERSION", keys.KEY_VERSION + 1)
    released = extend(elsewhere, str(elsewhere.store.parent / "download" / "tiny"), mode="publish").released
    assert (released.label, released.table.mixed) == ("v1.1", ("key version",))
    assert [row.notes for row in released.table.rows] == [("key version: 2",), ("key version: 2",), ("key version: 3",)]
    assert findings(elsewhere) == []


def test_drafts_old_formats_and_withdrawn_tables_are_not_extended(place: Place, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3] / "results"
    with pytest.raises(UserError, match="published in format 1"):
        read_version(root / "quickstart" / "v1.0")
    draft = place.run(mode="draft").folder
    with pytest.raises(UserError, match="holds a draft of 'tiny'; publish it"):
        read_version(draft).base()
    with pytest.raises(UserError, match=r"no published table 'tine'.*Did you mean 'tiny'"):
        find_version("tine", place.results)
    from robustbench_snn.leaderboard.versions import Version
    from robustbench_snn.leaderboard.withdrawal import withdraw

    withdraw(place.results, "tiny", Version(1, 0), "wrong labels")
    with pytest.raises(UserError, match="is withdrawn: wrong labels"):
        find_version("tiny", place.results)


def test_a_tampered_table_is_not_extended(place: Place) -> None:
    path = place.results / "tiny" / "v1.0" / "samples.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"samples\.parquet is damaged"):
        read_version(path.parent)


def test_a_version_with_links_is_not_extended(place: Place, tmp_path: Path) -> None:
    (place.results / "tiny" / "v1.0" / "weights").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"holds links \(weights\)"):
        read_version(place.results / "tiny" / "v1.0")


def test_a_number_changed_with_its_manifest_is_noticed(place: Place) -> None:
    folder = place.results / "tiny" / "v1.0"
    data = json.loads((folder / "table.json").read_text())
    data["rows"][1]["cells"]["clean"]["rank"] = 7
    (folder / "table.json").write_text(json.dumps(data))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": file_hashes(folder)}))
    with pytest.raises(UserError, match=r"is not what it says: table\.json, sigma_delta, clean/rank"):
        read_version(folder)
