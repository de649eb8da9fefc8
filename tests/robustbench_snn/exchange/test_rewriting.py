"""A published version writes the suite that makes it: planned, it has the version's keys, and nothing is left to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.onto import complete_suite, plan_onto
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.exchange.rewriting import rewritten_suite
from robustbench_snn.execution import RunSettings
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.registry import Registry, encoders, evaluations
from robustbench_snn.reported import load_reported
from robustbench_snn.spec.files import load_suite, parse_suite
from tests.robustbench_snn.exchange.conftest import SUITE, Place

RESULTS = Path(__file__).resolve().parents[3] / "results"


def latest(results: Path) -> Published:
    return read_version(find_version("tiny", results))


def planned(data: dict[str, Any]) -> Plan:
    suite = parse_suite(data)
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


def same_table(data: dict[str, Any], version: Published) -> bool:
    """Whether a suite is the version's: protocol, trainings of every row, nothing that the table would lack."""
    plan = planned(data)
    rows = {row.model: set(row.training) for row in version.table.rows}
    keys = {name: {key_of(cell) for cell in plan.train if cell.model.name == name} for name in rows}
    left = plan_onto(complete_suite(data, "written.yaml", version), version, plan.dataset).cells
    return plan.protocol_hash == version.table.protocol_hash and keys == rows and left == ()


def test_the_suite_of_a_version_is_the_one_that_made_it(published: Place) -> None:
    version = latest(published.results)
    data = rewritten_suite(version)
    assert same_table(data, version)
    assert (data["name"], data["table"]["baseline"]) == ("tiny", "direct")
    assert (data["seeds"], data["timesteps"]) == ([0, 1], 2)  # said once
    assert [set(model) for model in data["models"]] == [{"name", "encoder"}] * 2
    assert data["dataset"] == {"digits": {"limit": 20, "train_limit": 64}}
    assert yaml.safe_load(yaml.safe_dump(data)) == data
    shown = tuple(load_reported("tdformer").model_copy(update={"name": name}) for name in ("tdformer", "of my own"))
    table = version.table.model_copy(update={"reported": shown})
    again = rewritten_suite(replace(version, content=replace(version.content, table=table)))
    assert again["table"].pop("reported") == ["tdformer"]
    assert again == data


@pytest.mark.usefixtures("clean")
def test_what_grew_from_several_runs_is_one_suite(place: Place) -> None:
    """What no suite file ever said together, and what changes of one said: as with rbsnn run --onto and --set."""
    for more in (
        {"name": "slow", "encoder": "ttfs", "timesteps": 3},
        {"name": "short", "encoder": "direct", "timesteps": 2, "seeds": [7], "recipe": {"epochs": 1, "batch_size": 16}},
    ):
        version = latest(place.results)
        suite = complete_suite({"name": "mine", "models": [more]}, "mine.yaml", version)
        plan = plan_onto(suite, version, load_dataset(suite.dataset.name, **suite.dataset.parameters))
        run_plan(plan, place.store, place.results, RunSettings(), base=version.base())
    version = latest(place.results)
    assert str(version.version) == "v1.2"
    data = rewritten_suite(version)
    assert same_table(data, version)
    assert "backbone" in data
    assert {"timesteps", "seeds", "recipe"}.isdisjoint(data)
    assert [(model["timesteps"], model["seeds"]) for model in data["models"]] == [
        (2, [0, 1]),
        (2, [0, 1]),
        (3, [0, 1]),
        (2, [7]),
    ]


@pytest.mark.parametrize(
    ("registry", "name", "told"),
    [
        (encoders, "direct", r"this program trains another 'direct' than tiny v1\.0 has .*: commit "),
        (evaluations, "fgsm", "evaluations/fgsm was version .*, is version 99"),
    ],
)
def test_what_this_program_computes_otherwise_is_named(
    published: Place, monkeypatch: pytest.MonkeyPatch, registry: Registry[Any, Any], name: str, told: str
) -> None:
    component = registry.get(name)
    newer = replace(component.declaration, version=99)
    monkeypatch.setitem(registry._loaded, name, replace(component, declaration=newer))
    with pytest.raises(UserError, match=told):
        rewritten_suite(latest(published.results))


def test_weights_from_a_file_and_rows_without_a_training_are_refused(published: Place, tmp_path: Path) -> None:
    weights = next((published.store / "cells").glob("*/weights.safetensors"))
    models = [{"name": "direct", "encoder": "direct", "weights": str(weights)}]
    suite = {key: value for key, value in SUITE.items() if key not in ("grid", "table")} | {"models": models}
    place = Place(tmp_path / "runs", tmp_path / "results")
    place.run(suite, mode="publish")
    with pytest.raises(UserError, match=r"the weights of 'direct' in tiny v1\.0 came from a file"):
        rewritten_suite(latest(place.results))
    version = latest(published.results)
    untrained = version.table.rows[0].model_copy(update={"training": ()})
    table = version.table.model_copy(update={"rows": (untrained,)})
    with pytest.raises(UserError, match=r"no training of 'direct' in tiny v1\.0 succeeded"):
        rewritten_suite(replace(version, content=replace(version.content, table=table)))


def test_the_command_writes_a_file_that_runs(tmp_path: Path) -> None:
    """On a real table; that nothing is left to compute is what rbsnn run says."""
    file = tmp_path / "quickstart.yaml"
    arguments = ["leaderboard", "export", "quickstart", "--results", str(RESULTS), "--format", "suite"]
    done = CliRunner().invoke(app, [*arguments, "--to", str(file)])
    assert done.exit_code == 0, done.output
    assert file.read_text().startswith("# quickstart v")
    assert [model.name for model in load_suite(str(file)).entries()] == ["direct", "imp", "stf"]
    run = ["run", str(file), "--onto", "quickstart", "--results", str(RESULTS), "--dry-run"]
    done = CliRunner().invoke(app, [*run, "--store", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    assert "nothing is left to compute" in done.output
    changed = CliRunner().invoke(app, [*run, "--store", str(tmp_path / "runs"), "--set", "seeds=[0, 1, 2, 3]"])
    assert "3 trainings" in changed.output


def test_a_dataset_is_taken_for_a_suite_alone() -> None:
    arguments = ["leaderboard", "export", "quickstart", "--results", str(RESULTS), "--dataset", "digits"]
    done = CliRunner().invoke(app, [*arguments, "--format", "csv"])
    assert done.exit_code != 0
    assert "--dataset belongs to --format suite" in str(done.exception)
    wrong = CliRunner().invoke(app, [*arguments[:-1], "fashion_mnist", "--format", "suite"])
    assert wrong.exit_code != 0
    assert "the suite says fashion_mnist, the table has digits" in str(wrong.exception)
