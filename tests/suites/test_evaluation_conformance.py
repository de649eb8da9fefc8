"""Every shipped evaluation, presets included, passes every check of the shipped kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from robustbench_snn.registry import evaluations
from robustbench_snn.testing import CheckResult, EvaluationConformance
from robustbench_snn.testing.models import kinds_of_data
from robustbench_snn.testing.results import check_component

SHIPPED = [name for name in evaluations if evaluations.declaration(name).origin.startswith("robustbench_snn.")]
ALL_FALL = 0.4
"""A radius at which nobody is left for the later, slower members of a cascade: the attacks have a kit of their own."""
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "attack": {"attack": {"pgd": {"steps": 3}}},
    "autoattack": {"eps": ALL_FALL, "set": "standard"},
    "clean": {"draws": 3},
    "corruptions": {"types": ["gaussian_noise", "fog"], "severities": [1, 3], "timesteps": "auto"},
    "diagnostics": {"eps": 0.1, "steps": 2, "queries": 5},
    "epsilon_curve": {"eps": [0.05], "tier": "quick"},
    "event_corruptions": {"types": "frames", "severities": [1, 3]},
    "graz_ensemble": {"eps": ALL_FALL, "attack": "fgsm"},
    "hardware_faults": {"faults": ["random"], "rates": [0.01, 0.1]},
    "pgd": {"steps": 3},
    "profile": {"conditions": ["clean", {"attack": "fgsm", "eps": 0.1}], "count_images": 8},
    "snn_extended": {"eps": ALL_FALL},
    "snn_fast": {"eps": ALL_FALL},
    "snn_quick": {"eps": 0.05},
    "snn_standard": {"eps": ALL_FALL, "transfer_from": ["other@0"]},
    "step_faults": {"rates": [0.1]},
    "timesteps": {"timesteps": [1, 4], "conditions": ["clean", {"corruption": "fog", "severity": 1}]},
    "torchattacks": {"attack": "FGSM", "eps": 0.1},
    "torchattacks.APGD": {"options": {"steps": 2}},
    "torchattacks.APGDT": {"options": {"steps": 2, "n_classes": 5}},
    "torchattacks.AutoAttack": {"options": {"n_classes": 5}, "eps": ALL_FALL},
    "torchattacks.CW": {"options": {"steps": 3}},
    "torchattacks.EOTPGD": {"options": {"steps": 2}},
    "torchattacks.FAB": {"options": {"steps": 2, "n_classes": 5}},
    "torchattacks.PGD": {"options": {"steps": 2}},
    "torchattacks.Square": {"options": {"n_queries": 5}},
    "transfer": {"steps": 2},
}
DETERMINISTIC_ONLY = {
    "autoattack",
    "diagnostics",
    "epsilon_curve",
    "profile",
    "snn_fast",
    "snn_extended",
    "snn_standard",
    "stf_paper",
    "torchattacks.EOTPGD",
}
"""On a stochastic model these take too long for a test."""
DRAWS_BY_BLOCK = {"independent of order"}
"""torchattacks draws for a block of samples at once, so a random start follows a sample's place in the block."""


def check(name: str, events: bool) -> list[CheckResult]:
    fields = evaluations.get(name).parameters.model_fields
    parameters: dict[str, Any] = {key: 2 for key in ("draws", "judging_draws") if key in fields}
    parameters |= PARAMETERS.get(name, {})
    if events:
        parameters.pop("conditions", None)  # corruptions and attacks of images
    encoders = ("direct",) if name in DETERMINISTIC_ONLY else ("direct", "rate")
    return check_component(EvaluationConformance, "evaluation", name, parameters, encoders=encoders, events=events)


@pytest.mark.parametrize(
    ("name", "events"),
    [(name, events) for name in SHIPPED for events in kinds_of_data(evaluations.declaration(name).traits.takes)],
)
def test_conformance(name: str, events: bool) -> None:
    failed = {result.name: result.reason for result in check(name, events) if not result.passed}
    if name.startswith("torchattacks"):
        failed = {key: value for key, value in failed.items() if key not in DRAWS_BY_BLOCK}
    assert not failed, "\n".join(f"{key}: {value}" for key, value in failed.items())


def test_schema_knows_both_ways_to_write_a_condition() -> None:
    items = evaluations.get("timesteps").parameters.model_json_schema()["properties"]["conditions"]["items"]
    assert {"const": "clean", "type": "string"} in items["anyOf"]
    assert any("$ref" in choice for choice in items["anyOf"])
