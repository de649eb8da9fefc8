"""The shipped conformance checks, on the evaluations of timesteps, corruptions and spikes."""

from __future__ import annotations

from typing import Any

import pytest

from robustbench_snn.registry import evaluations
from robustbench_snn.testing import check_evaluation


@pytest.mark.parametrize(
    ("component", "parameters"),
    [
        ("timesteps", {"conditions": ["clean", {"corruption": "fog", "severity": 1}]}),
        ("corruptions", {"types": "all", "severities": [1, 3], "timesteps": "auto"}),
        ("step_faults", {"rates": [0.1]}),
        ("profile", {"conditions": ["clean"]}),
    ],
)
def test_conformance(component: str, parameters: dict[str, Any]) -> None:
    failed = [result for result in check_evaluation(component, **parameters) if not result.passed]
    assert not failed, failed


def test_schema_knows_both_ways_to_write_a_condition() -> None:
    items = evaluations.get("timesteps").parameters.model_json_schema()["properties"]["conditions"]["items"]
    assert {"const": "clean", "type": "string"} in items["anyOf"]
    assert any("$ref" in choice for choice in items["anyOf"])
