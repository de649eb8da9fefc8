"""``robustbench_snn.compare``: what it takes, what it refuses, and how often it finds what is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_snn
from robustbench_snn import Result, compare
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard import comparison
from robustbench_snn.leaderboard.calibration import Population

IDS = np.arange(40)


def result(seed: int, **changes: Any) -> Result:
    correct = np.random.default_rng(seed).random(len(IDS)) < 0.6
    found = Result("fgsm", 2, {"eps": 0.1}, 0, IDS, {"accuracy": float(correct.mean())}, {"correct": correct})
    return replace(found, **changes)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0])
def test_a_model_is_seldom_better_than_itself(seeds: int, effect: float) -> None:
    """100 simulated retrainings of one model against 100 others; a test over samples alone finds up to 60."""
    population = Population("binary", seed=effect)
    a, b = population.draw(np.random.default_rng(11), 100, (seeds, seeds), 200)
    found = [compare(candidate, baseline) for candidate, baseline in zip(a, b, strict=True)]
    assert {one.scope for one in found} == {"methods"}
    assert sum(one.p_value < 0.05 for one in found) <= 9  # more than 9 of 100 at 5 % has probability 0.028


def test_results_of_several_seeds_are_compared_as_methods() -> None:
    a, b = [result(seed) for seed in (1, 2, 3)], [result(seed) for seed in (4, 5)]
    found = compare(a, b)
    outcomes = [np.stack([one.columns["correct"] for one in side]) for side in (a, b)]
    assert found == comparison.compare(*outcomes)
    assert (found.scope, found.seeds) == ("methods", (3, 2))
    assert compare(a[0], b).scope == compare(a[:1], b[0]).scope == "networks"


def test_results_are_aligned_by_sample_id() -> None:
    a, b = result(1), result(2)
    order = np.random.default_rng(0).permutation(len(IDS))
    moved = replace(b, sample_ids=IDS[order], columns={"correct": b.columns["correct"][order]})
    assert compare(a, moved) == compare(a, b)
    with pytest.raises(UserError, match="different samples"):
        compare(a, replace(b, sample_ids=IDS + 1))


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (result(1, name="pgd"), "name 'pgd' and 'fgsm'|name 'fgsm' and 'pgd'"),
        (result(1, version=3), "version"),
        (result(1, parameters={"eps": 0.2}), "parameters"),
        (result(1, columns={}), "has no accuracy"),
        (np.ones(40), "two of a kind"),
        ([result(1), 3], "a int stands among results"),
    ],
)
def test_what_does_not_compare_is_refused(candidate: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare(candidate, result(0))


def test_what_evaluate_returns_is_compared() -> None:
    images, labels = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 3
    models = []
    for seed in range(4):
        torch.manual_seed(seed)
        models.append(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    found = [robustbench_snn.evaluate(model, images, labels, sample_ids=range(5, 35))[0] for model in models]
    assert found[0].sample_ids.tolist() == list(range(5, 35))
    made = compare(found[:2], found[2:])
    assert made.difference == pytest.approx(
        np.mean([one.accuracy for one in found[:2]]) - np.mean([one.accuracy for one in found[2:]])
    )
    assert (made.scope, made.samples) == ("methods", 30)
