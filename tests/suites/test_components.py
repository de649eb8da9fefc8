"""What an evaluation runs, it declares: the versions of these components are part of its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from robustbench_snn.attack.contract import Attack
from robustbench_snn.registry import KINDS, Registry, attacks, evaluations
from robustbench_snn.testing import EvaluationConformance
from tests.suites.test_evaluation_conformance import PARAMETERS, SHIPPED

MORE: Mapping[str, list[Mapping[str, Any]]] = {
    "corruptions": [
        {"types": ["fog"], "severities": [1], "under": {"attack": "fgsm", "eps": 0.1, "estimator": "atan"}},
    ],
    "timesteps": [
        {"timesteps": [2], "conditions": [{"corruption": "fog", "severity": 1, "attack": "pgd", "eps": 0.1}]},
    ],
    "profile": [{"conditions": [{"corruption": "snow", "severity": 2}, {"attack": "mi_fgsm", "eps": 0.1}]}],
    "pgd": [{"steps": 2, "estimator": "atan"}],
}
"""Parameters, besides those that the conformance tests use, that bring other components in."""
CASES = [(name, {**PARAMETERS.get(name, {})}) for name in SHIPPED]
CASES += [(name, dict(parameters)) for name, several in MORE.items() for parameters in several]
MODEL = {"encoders", "backbones"}
"""Kinds that belong to the model, whose key holds them."""

Names = set[tuple[str, str]]


def watch(monkeypatch: pytest.MonkeyPatch) -> tuple[Names, set[type]]:
    """From now on: the components that any registry is asked for, and the classes of the attacks that run."""
    asked: Names = set()
    ran: set[type] = set()
    get = Registry.get

    def told(self: Registry[Any, Any], name: str) -> Any:
        asked.add((f"{self.kind}s", name))
        return get(self, name)

    def watched(kind: type[Attack]) -> None:
        run = kind.run

        def note(self: Attack, *arguments: Any, **options: Any) -> None:
            ran.add(type(self))
            run(self, *arguments, **options)

        monkeypatch.setattr(kind, "run", note)

    for kind in {attacks.get(name).implementation for name in attacks}:
        if "run" in vars(kind):
            watched(kind)
    monkeypatch.setattr(Registry, "get", told)
    return asked, ran


def targets(names: Iterable[tuple[str, str]]) -> set[Any]:
    return {KINDS[kind].get(name).implementation for kind, name in names}


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_an_evaluation_declares_what_it_runs(
    name: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    few: dict[str, Any] = {
        key: 2 for key in ("draws", "judging_draws") if key in evaluations.get(name).parameters.model_fields
    }
    events = evaluations.declaration(name).traits.takes == "events"
    facts = {"component": name, "parameters": {**few, **parameters}, "events": events}
    kit = type("Kit", (EvaluationConformance,), facts)()
    evaluation = kit.build()
    declared = set(evaluation.components())
    with monkeypatch.context() as patch:
        patch.setattr(kit, "build", lambda: evaluation)
        asked, ran = watch(patch)
        kit.run()
    missing = {entry for entry in asked if entry[0] not in MODEL} - declared
    assert not missing
    assert not {kind.__name__ for kind in ran - targets(declared)}


def test_it_is_seen_when_something_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways to watch see an attack that is asked for by name, and one that is imported."""
    asked, ran = watch(monkeypatch)
    for name, parameters in (("attack", {"attack": "fgsm"}), ("pgd", {"steps": 1})):
        type("Kit", (EvaluationConformance,), {"component": name, "parameters": parameters})().run()
    assert ("attacks", "fgsm") in asked
    assert {kind.__name__ for kind in ran} == {"FGSM", "PGD"}


def test_corruptions_and_conditions_are_declared() -> None:
    def declared(name: str, **parameters: Any) -> set[tuple[str, str]]:
        return set(evaluations.create(name, **parameters).components())

    both = {"types": ["fog", "snow"], "under": {"attack": {"pgd": {"steps": 2}}, "eps": 0.1, "estimator": "atan"}}
    assert declared("corruptions", **both) == {
        ("corruptions", "fog"), ("corruptions", "snow"), ("attacks", "pgd"), ("estimators", "atan"),
    }  # fmt: skip
    conditions = ["clean", {"corruption": "fog", "severity": 3, "attack": "fgsm", "eps": 0.1}]
    for name in ("timesteps", "profile"):
        found = declared(name, conditions=conditions)
        assert found == {("corruptions", "fog"), ("attacks", "fgsm"), ("estimators", "training")}
    assert declared("step_faults") == declared("clean") == set()
