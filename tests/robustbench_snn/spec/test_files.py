"""Suite files: every mistake at once, each with its place and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from robustbench_snn.errors import UserError
from robustbench_snn.spec.entry import ClassifierEntry, PluginEntry
from robustbench_snn.spec.files import SuiteError, load_suite, parse_suite, read_suite_text, shipped_suites
from robustbench_snn.spec.schema import suite_schema
from robustbench_snn.spec.suite import SuiteSpec

MINIMAL = {"name": "tiny", "models": [{"name": "direct", "encoder": "direct"}], "evaluations": ["clean"]}


def problems_of(data: Any) -> dict[str, str]:
    with pytest.raises(SuiteError) as caught:
        parse_suite(data)
    return dict(caught.value.problems)


def test_a_minimal_suite_gets_the_defaults() -> None:
    suite = parse_suite(MINIMAL)
    (model,) = suite.entries()
    assert isinstance(model, ClassifierEntry)
    assert (suite.dataset.name, model.timesteps, model.seeds, model.backbone.name) == ("digits", 4, (0,), "spikformer")


@pytest.mark.parametrize("form", ["stf", {"name": "stf", "kernel": 1}, {"stf": {"kernel": 1}}, {"stf": None}])
def test_three_ways_to_write_a_component(form: str | dict[str, Any]) -> None:
    suite = parse_suite(MINIMAL | {"models": [{"name": "a", "encoder": form}]})
    encoder = suite.models[0].encoder
    assert encoder is not None
    assert encoder.name == "stf"
    assert dict(encoder.parameters) in ({}, {"kernel": 1})


def test_every_problem_is_reported_at_once_with_its_path_and_a_suggestion() -> None:
    found = problems_of(
        {
            "name": "tiny",
            "modles": [],
            "timesteps": 0,
            "models": [{"name": "a", "encoder": "sft"}],
            "evaluations": [{"pgd": {"epz": "8/255"}}, "clean"],
        }
    )
    assert "Did you mean 'models'?" in found["modles"]
    assert "greater than or equal to 1" in found["timesteps"]
    assert "Did you mean 'stf'?" in found["models.0.encoder"]
    assert any("epz" in message for message in found.values())


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"evaluations": []}, "evaluations", "is empty"),
        ({"models": []}, "", "needs models"),
        ({"seeds": []}, "seeds", "is empty"),
        ({"seeds": [0, 1, 0]}, "seeds", "must differ; used more than once: 0"),
        ({"models": [{"name": "a", "encoder": "direct", "seeds": [3, 3]}]}, "models.0.seeds", "more than once: 3"),
        ({"grid": {"encoders": []}}, "grid.encoders", "is empty"),
        ({"evaluations": [{"pgd": {"eps": "300/255"}}]}, "evaluations.0.pgd", "between 0 and 1"),
        ({"evaluations": [{"pgd": {"eps": "many"}}]}, "evaluations.0.pgd", "fraction"),
        ({"evaluations": [{"pgd": {"eps": "8/255", "steps": "x"}}]}, "evaluations.0.pgd", "steps"),
        ({"evaluations": ["clean", "clean"]}, "", "need a label"),
        ({"table": {"baseline": "nobody"}}, "", "none of the models"),
        ({"dataset": "digitz"}, "dataset", "Did you mean 'digits'?"),
        ({"recipe": {"epochz": 3}}, "recipe", "epochz"),
        ({"models": [{"name": "a", "encoder": "direct"}] * 2}, "", "must differ"),
        ({"models": [{"name": "a"}]}, "models.0", "either an encoder or a model"),
        ({"models": [{"name": "a", "model": "m", "weights": "w", "readout": "last"}]}, "models.0", "readout, weights"),
        ({"models": [{"name": "a", "encoder": ["direct"]}]}, "models.0.encoder", "write a component"),
    ],
)
def test_a_mistake_is_named_with_its_place(change: dict[str, Any], path: str, message: str) -> None:
    found = problems_of(MINIMAL | change)
    assert any(where == path and message in text for where, text in found.items()), found


def test_grid_makes_a_model_of_every_combination() -> None:
    suite = parse_suite(
        {
            "name": "g",
            "grid": {"encoders": ["direct", "stf"], "timesteps": [2, 4]},
            "evaluations": ["clean"],
        }
    )
    assert [m.name for m in suite.entries()] == ["direct T2", "direct T4", "stf T2", "stf T4"]
    assert [m.timesteps for m in suite.entries()] == [2, 4, 2, 4]


def test_entries_are_filled_in_and_have_the_seeds_of_the_models_they_make() -> None:
    models = [
        {"name": "trained", "encoder": "direct", "timesteps": 2},
        {"name": "stored", "encoder": "direct", "weights": "w.safetensors", "backbone": "tdformer_v1"},
        {"name": "whole", "model": "elsewhere"},
    ]
    suite = SuiteSpec.model_validate(MINIMAL | {"models": models, "seeds": [3, 4], "recipe": {"epochs": 2}})
    trained, stored, whole = suite.entries()
    assert isinstance(trained, ClassifierEntry)
    assert (trained.backbone.name, trained.timesteps, trained.recipe, trained.seeds, trained.weights) == (
        "spikformer", 2, {"epochs": 2}, (3, 4), None,
    )  # fmt: skip
    assert isinstance(stored, ClassifierEntry)
    assert (stored.backbone.name, stored.timesteps, stored.seeds, stored.weights) == (
        "tdformer_v1", 4, (3,), "w.safetensors",
    )  # fmt: skip
    assert isinstance(whole, PluginEntry)
    assert (whole.model.name, whole.timesteps, whole.seeds) == ("elsewhere", 4, (3,))


def test_overrides_reach_any_value(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | {"dataset": "digits"}))
    suite = load_suite(str(path), ["dataset.limit=7", "models.0.name=other", "timesteps=2"])
    assert (suite.dataset.parameters, suite.models[0].name, suite.timesteps) == ({"limit": 7}, "other", 2)


@pytest.mark.parametrize("override", ["timesteps", "models.9.name=x", "name.x.y=1", "=3"])
def test_a_wrong_override_is_a_clear_error(tmp_path: Path, override: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(UserError):
        load_suite(str(path), [override])


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(f"name: !!python/object/apply:pathlib.Path.touch [{tmp_path}/ran]\n")
    with pytest.raises(SuiteError, match="not valid YAML"):
        load_suite(str(path))
    assert not (tmp_path / "ran").exists()


def test_broken_yaml_and_missing_files_are_clear(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("name: [")
    with pytest.raises(SuiteError, match="not valid YAML"):
        load_suite(str(path))
    with pytest.raises(UserError, match="Did you mean 'quickstart'"):
        load_suite("quickstrat")


@pytest.mark.parametrize("name", shipped_suites())
def test_shipped_suites_are_valid_and_name_the_schema(name: str) -> None:
    assert load_suite(name).name == name
    assert read_suite_text(name)[0].startswith("# yaml-language-server: $schema=")


def evaluations_of(*written: Any) -> list[dict[str, Any]]:
    return [dict(one.parameters) for one in parse_suite(MINIMAL | {"evaluations": list(written)}).evaluations]


@pytest.mark.parametrize(
    ("others", "taken"),
    [
        ([{"pgd": {"eps": "8/255"}}, {"pgd": {"eps": 0.5, "label": "b"}}], {"eps": "8/255", "norm": "linf"}),
        (["clean", {"snn_standard": {"eps": ["2/255", "4/255"]}}], {"eps": "2/255", "norm": "linf"}),
        ([{"pgd": {"eps": 0.5, "norm": "l2"}}], {"eps": 0.5, "norm": "l2"}),
    ],
)
def test_diagnostics_take_the_first_eps_of_the_suite_and_its_norm(others: list[Any], taken: dict[str, Any]) -> None:
    assert evaluations_of(*others, "diagnostics")[-1] == taken
    assert evaluations_of("diagnostics", *others)[0] == taken
    assert evaluations_of(*others, {"diagnostics": {"steps": 5}})[-1] == {"steps": 5, **taken}


def test_diagnostics_that_say_something_are_not_contradicted() -> None:
    others = [{"pgd": {"eps": "8/255"}}, {"fgsm": {"eps": 0.5, "norm": "l2"}}]
    assert evaluations_of(*others, {"diagnostics": {"eps": 0.1}})[-1] == {"eps": 0.1}
    assert evaluations_of(*others, {"diagnostics": {"norm": "l2"}})[-1] == {"eps": 0.5, "norm": "l2"}


@pytest.mark.parametrize(
    "evaluations",
    [["diagnostics"], ["clean", {"diagnostics": {"norm": "l2"}}, {"pgd": {"eps": 0.1}}], ["timesteps", "diagnostics"]],
)
def test_diagnostics_without_any_eps_in_the_suite_are_a_mistake(evaluations: list[Any]) -> None:
    elsewhere: list[dict[str, Any]] = [{}, {"modles": []}]
    for more in elsewhere:
        found = problems_of(MINIMAL | {"evaluations": evaluations} | more)
        ((path, message),) = ((path, text) for path, text in found.items() if "diagnostics" in path)
        assert path.endswith(".diagnostics")
        assert "no attack beside it does" in message


def test_schema_lets_diagnostics_leave_out_what_the_suite_states() -> None:
    definitions = suite_schema()["$defs"]
    assert definitions["evaluation.pgd"]["required"] == ["eps"]
    assert definitions["evaluation.diagnostics"]["required"] == []


def test_a_mistake_elsewhere_is_not_one_of_diagnostics() -> None:
    found = problems_of(MINIMAL | {"modles": [], "evaluations": [{"pgd": {"eps": 0.1}}, "diagnostics", "cleam"]})
    assert set(found) == {"modles", "evaluations.2"}


def test_a_suite_that_pairs_the_wrong_kinds_of_data_is_refused_with_what_would_fit() -> None:
    models = [{"name": "a", "encoder": "rate"}, {"name": "b", "encoder": "stf1"}, {"name": "c", "encoder": "events"}]
    evaluations = ["clean", {"pgd": {"eps": "8/255"}}]
    found = problems_of({"name": "tiny", "dataset": "digits_events", "models": models, "evaluations": evaluations})
    assert set(found) == {"models.0.encoder", "evaluations.1"}
    refused = found["models.0.encoder"]
    assert (
        "encoder 'rate' takes images, and digits_events has event frames; encoders that take event frames:" in refused
    )
    assert {"events", "imp", "stf"} <= set(refused.split(": ")[1].split(", "))
    assert "evaluations that take event frames: clean" in found["evaluations.1"]
    on_images = {"name": "tiny", "grid": {"encoders": ["direct", "events"]}, "evaluations": ["clean"]}
    assert "encoder 'events' takes event frames, and digits has images" in problems_of(on_images)["grid.encoders.1"]
