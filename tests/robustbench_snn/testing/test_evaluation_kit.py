"""Each broken evaluation fails the check made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.plugins import Evaluation, Outcome, Subject, accuracy_outcome, correct, register_evaluation
from robustbench_snn.testing import EvaluationConformance, check_evaluation


class Sound(Evaluation):
    """Accuracy on clean images, of one draw."""

    def run(self, subject: Subject) -> Outcome:
        parts = []
        for number, batch in enumerate(subject.samples.batches(subject.batch_size, subject.device)):
            random = batch.random(subject.seed, *self.label(number))
            with torch.no_grad():
                parts.append(correct(subject.target(batch.images, random), batch.labels))
        return self.changed(accuracy_outcome(torch.cat(parts).numpy()), subject)

    def label(self, number: int) -> Sequence[object]:
        return ("sound",)

    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return outcome


class SplitsWrongly(Sound):
    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        return [{**parameters, "unknown": 1}]


class AnotherAccuracy(Sound):
    """Its accuracy is not that of its column."""

    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, metrics={"accuracy": outcome.metrics["accuracy"] / 2})


class NoColumn(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, columns={})


class LosesRows(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, columns={**outcome.columns, "few": outcome.columns["correct"][1:]})


class NotANumber(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, metrics={**outcome.metrics, "ratio": float("nan")})


class Percent(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, metrics={**outcome.metrics, "clean_accuracy": 97.5})


class NoJSON(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, details={"array": np.zeros(3)})


class UnknownFlag(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, flags=["zero_gradients"])


class ByChance(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, metrics={**outcome.metrics, "drawn": float(torch.rand(()))})


class ByNumberOfBatch(Sound):
    """Draws by the batch and not by the sample."""

    def label(self, number: int) -> Sequence[object]:
        return ("batch", number)

    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        return replace(outcome, metrics={**outcome.metrics, "batches": 8 / subject.batch_size})


class ByPosition(Sound):
    """The first sample counts twice."""

    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        first = outcome.columns["correct"].astype(float) * (1 + np.arange(8)) / 8
        return replace(outcome, columns={**outcome.columns, "weighted": first})


class TrainsOn(Sound):
    def changed(self, outcome: Outcome, subject: Subject) -> Outcome:
        subject.target.model.train()
        return outcome


BROKEN: list[tuple[type[Evaluation], set[str]]] = [
    (SplitsWrongly, {"splits into cells of its own"}),
    (AnotherAccuracy, {"accuracy is the mean of correct"}),
    (NoColumn, {"accuracy is the mean of correct"}),
    (LosesRows, {"one row a sample"}),
    (NotANumber, {"values in range"}),
    (Percent, {"values in range"}),
    (NoJSON, {"values in range"}),
    (UnknownFlag, {"flags are known"}),
    (ByChance, {"deterministic under a seed"}),
    (ByNumberOfBatch, {"independent of batch size"}),
    (ByPosition, {"independent of order"}),
    (TrainsOn, {"leaves the model alone"}),
]


def failed(evaluation: type[Evaluation]) -> dict[str, str]:
    register_evaluation("broken", version=1)(evaluation)
    return {result.name: result.reason for result in check_evaluation("broken") if not result.passed}


@pytest.mark.parametrize(("evaluation", "checks"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_caught(evaluation: type[Evaluation], checks: set[str]) -> None:
    found = failed(evaluation)
    assert checks <= set(found)
    assert all(found.values())


def test_a_sound_evaluation_passes() -> None:
    assert not failed(Sound)


def test_every_check_is_shown_to_fail() -> None:
    checks = {name[5:].replace("_", " ") for name in dir(EvaluationConformance) if name.startswith("test_")}
    assert checks == set().union(*(names for _, names in BROKEN))
