"""Suites made from the schema, and nearly: each is loaded, always the same, or refused with a message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import robustbench_snn
from robustbench_snn.errors import UserError
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.yaml_text import read_yaml
from tests.robustbench_snn.spec.schema_strategies import Following, nearly

SCHEMA = json.loads((Path(robustbench_snn.__file__).parent / "suite.schema.json").read_text(encoding="utf-8"))
# What the schema cannot say, and nearly every suite would fail for: some model, an encoder in each, a unique name.
SCHEMA["$defs"]["ModelSpec"]["required"] = ["name", "encoder"]
del SCHEMA["$defs"]["ModelSpec"]["properties"]["model"]
del SCHEMA["$defs"]["TableSpec"]["properties"]["baseline"]
SCHEMA["properties"]["models"]["minItems"] = 1
FOLLOWING = Following(SCHEMA)
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
WHOLE = FOLLOWING.of({**SCHEMA, "required": ["name", "evaluations", "models"]})
NAMED = {"name": "generated", "models": [{"name": "a", "encoder": "direct"}], "evaluations": ["clean"]}


def loaded(data: Any) -> SuiteSpec | None:
    """The suite, or None where it is refused with a message."""
    try:
        return parse_suite(data)
    except UserError as error:
        return None if str(error).strip() else pytest.fail("refused without a word")


def check(data: Any) -> None:
    """Loads twice, and once more from what a suite writes of itself."""
    suite = loaded(data)
    assert loaded(data) == suite
    if suite is not None:
        written = suite.model_dump(mode="json")
        assert parse_suite(written).model_dump(mode="json") == written


@FEW
@given(WHOLE)
def test_what_the_schema_allows_is_loaded_or_refused(data: Any) -> None:
    check(data)


@FEW
@given(nearly(WHOLE))
def test_what_it_nearly_allows_too(data: Any) -> None:
    check(data)


def named_once(component: Any) -> bool:
    """Whether a component is not written in both forms at once, which share a definition of the schema."""
    return not isinstance(component, dict) or not any(
        isinstance(value, dict) and "name" in value for value in component.values()
    )


@FEW
@given(
    FOLLOWING.definition("encoders").filter(named_once),
    FOLLOWING.definition("backbones").filter(named_once),
    st.integers(1, 1024),
)
def test_encoders_and_backbones_that_the_schema_allows_are_loaded(encoder: Any, backbone: Any, timesteps: int) -> None:
    data = NAMED | {"models": [{"name": "a", "encoder": encoder, "backbone": backbone, "timesteps": timesteps}]}
    assert loaded(data) is not None
    check(data)


@FEW
@given(WHOLE)
def test_a_suite_is_the_same_as_yaml(data: Any) -> None:
    assert read_yaml(yaml.safe_dump(data, allow_unicode=True)) == data


def test_the_strategies_reach_suites_that_load_and_suites_that_do_not() -> None:
    found: list[bool] = []

    @settings(FEW, max_examples=60, database=None)
    @given(WHOLE)
    def collect(data: Any) -> None:
        found.append(loaded(data) is not None)

    collect()
    assert 10 < sum(found) < len(found)
