"""Suites and settings that would take all memory, all time, or end in a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import MOST_SHOWN, UserError
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import MOST_PROBLEMS, SuiteError, load_suite, parse_suite, written_component

MINIMAL = {"name": "tiny", "models": [{"name": "direct", "encoder": "direct"}], "evaluations": ["clean"]}
Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a suite from a file, with settings."""

    def loaded(content: Any, *settings: str) -> Any:
        path = tmp_path / "suite.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return load_suite(str(path), settings)

    return loaded


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"timesteps": True}, "timesteps", "valid integer"),
        ({"seeds": [True]}, "seeds.0", "valid integer"),
        ({"seeds": [2**63]}, "seeds.0", "less than"),
        ({"recipe": {"epochs": True}}, "recipe", "epochs"),
        ({"recipe": {"epochs": 10**9}}, "recipe", "epochs"),
        ({"recipe": {"name": {}}}, "recipe", "Unknown recipe"),
        ({"recipe": {"randaugment": "rand-n" + "9" * 5000}}, "recipe", "randaugment"),
        ({"backbone": {"spikformer": {"depth": 10_000_000}}}, "backbone.spikformer", "depth"),
        ({"backbone": {"spikformer": {"depth": True}}}, "backbone.spikformer", "depth"),
        ({"backbone": {"spikformer": {"neuron": {"tau": True}}}}, "backbone.spikformer", "tau"),
        ({"backbone": {"spikformer": {"float": 1}}}, "backbone.spikformer", "unknown parameter 'float'"),
        ({"backbone": {"spikformer": {"a-b": 1}}}, "backbone.spikformer", "unknown parameter 'a-b'"),
        ({"backbone": {"spikformer": {"": 1}}}, "backbone.spikformer", "unknown parameter ''"),
        ({"backbone": {"spikformer": {"neuron": {"float": 1}}}}, "backbone.spikformer", "neuron.float"),
        ({"backbone": "s" * 100_000}, "backbone", "Unknown backbone"),
        ({"evaluations": [{"pgd": {"eps": "1e999999999"}}]}, "evaluations.0.pgd", "fraction"),
        ({"evaluations": [{"pgd": {"eps": "1e-999999999"}}]}, "evaluations.0.pgd", "fraction"),
        ({"evaluations": [{"pgd": {"eps": "8/0"}}]}, "evaluations.0.pgd", "fraction"),
        ({"evaluations": [{"pgd": {"eps": True}}]}, "evaluations.0.pgd", "fraction"),
        ({"evaluations": [{"pgd": {"eps": "8/255", "steps": 10**9}}]}, "evaluations.0.pgd", "steps"),
        ({"grid": {"encoders": ["direct"] * 300, "timesteps": [1] * 300}}, "grid", "90000 models"),
        ({"table": {"reported": ["x" * 5000 + ".yaml"]}}, "table.reported.0", "cannot be read"),
    ],
)
def test_sizes_and_types_are_refused_by_name(change: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(SuiteError) as refused:
        parse_suite(MINIMAL | change)
    found = dict(refused.value.problems)
    assert message in found[path], found
    assert all(len(text) < 2 * MOST_SHOWN for text in found.values())


def test_integers_that_python_will_not_write_are_refused() -> None:
    for change in ({"timesteps": 10**5000}, {"backbone": {"spikformer": {"depth": 10**5000}}}):
        with pytest.raises(SuiteError, match="an integer of 16610 bits"):
            parse_suite(MINIMAL | change)


def test_suites_without_end_are_refused() -> None:
    labelled = [{"clean": {"label": f"c{number}"}} for number in range(1000)]
    with pytest.raises(SuiteError, match="1001000 cells"):
        parse_suite(MINIMAL | {"seeds": list(range(1000)), "evaluations": labelled})


def test_of_very_many_problems_the_first_are_named() -> None:
    with pytest.raises(SuiteError, match="more than 50 problems") as refused:
        parse_suite(MINIMAL | {"evaluations": [{"pgd": {"eps": 2, "label": str(number)}} for number in range(5000)]})
    assert len(refused.value.problems) == MOST_PROBLEMS


def test_an_alias_bomb_in_a_text_or_in_seeds_is_refused(load: Load) -> None:
    lines = [f"x{number}: &x{number} [{', '.join([f'*x{number - 1}'] * 10)}]" for number in range(1, 12)]
    for key in ("description", "seeds"):
        with pytest.raises(SuiteError, match="stands for more than"):
            load("\n".join(["name: bomb", "x0: &x0 [1]", *lines, f"{key}: *x11"]))


def test_a_key_that_stands_twice_is_refused(load: Load) -> None:
    with pytest.raises(SuiteError, match="'seeds' stands twice"):
        load("name: twice\nseeds: [0]\nseeds: [1]\n")


@pytest.mark.parametrize(
    "setting",
    [
        "name={", "name=!!int x", 'name="\\0"', "models.².name=x", "models.9999999999999999999.name=x",
        "timesteps=" + "9" * 5000, "name=" + "[" * 5000, ".".join("a" * 5000) + "=1", "=", "", "name", "..=1",
        "models.0=*x", "name.0.x=1",
    ],
)  # fmt: skip
def test_a_setting_that_is_none_is_one_message(load: Load, setting: str) -> None:
    with pytest.raises(UserError) as refused:
        load(MINIMAL, setting)
    assert len(str(refused.value)) < 3 * MOST_SHOWN


def test_components_of_the_command_line_are_read_alike() -> None:
    for text in ("{", "!!int x", "[" * 5000, '"\\0"', "a" * 10_000 + ": [1]"):
        with pytest.raises(UserError, match=r"--dataset|write a component"):
            written_component(text, "--dataset")


@pytest.mark.parametrize("name", ["s" * 5000, "\ud800", "", ".", "/", "/dev/zero"])
def test_what_is_no_suite_file_is_one_message(name: str) -> None:
    with pytest.raises(UserError, match="suite file"):
        load_suite(name)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="not a regular file"):
        load_suite(str(pipe))
    with pytest.raises(SuiteError, match="not a regular file"):
        parse_suite(MINIMAL | {"table": {"reported": [str(pipe)]}})
    for path in (str(pipe), "/dev/zero", str(tmp_path), str(tmp_path / "none"), "w" * 5000):
        suite = parse_suite(MINIMAL | {"models": [{"name": "stored", "encoder": "direct", "weights": path}]})
        with pytest.raises(UserError, match=r"weights .* cannot be read"):
            make_plan(suite, load_dataset("digits", limit=5, train_limit=10))
