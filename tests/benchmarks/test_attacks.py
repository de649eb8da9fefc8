"""How much the active set saves, as ratios within one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

import pytest
import torch
from torch import Tensor

from robustbench_snn import evaluate
from robustbench_snn.attacking.active import ActiveSet
from robustbench_snn.attacking.ball import Ball
from robustbench_snn.attacking.members import doubled, last, members
from robustbench_snn.attacking.plain import Plain
from robustbench_snn.estimating import estimating, make
from robustbench_snn.registry import attacks
from robustbench_snn.samples import ArraySamples
from robustbench_snn.scoring import correct
from robustbench_snn.target import Target
from tests.attack_models import held_out, trained

EPS, ALPHA = 0.2, 0.05
Found = TypeVar("Found")


def timed(function: Callable[[], Found]) -> tuple[float, Found]:
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def right(target: Target, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(correct(target(images), labels).float().mean())


@pytest.mark.benchmark(group="pgd-50")
@pytest.mark.parametrize("other", ["torchattacks", "foolbox"])
def test_own_pgd_asks_a_third_as_often(benchmark: object, other: str) -> None:
    """At equal or lower robust accuracy; queries are what is asserted, seconds are told.

    Bound by the survivors, who pay all 50 steps, and on small models by the cost of a call, which a shrunken batch
    shares among fewer.
    """
    torch.set_num_threads(1)
    package = pytest.importorskip(other)
    model, (images, labels) = trained(), held_out(256)
    target = Target(model)

    queries = 0

    def own() -> float:
        nonlocal queries
        found = evaluate(model, images, labels, [{"pgd": {"eps": EPS, "steps": 50}}], batch_size=256)[0]
        queries = sum(stage["queries"] for stage in found.details["stages"])
        return found.accuracy

    def theirs() -> float:
        with target.frozen():
            if other == "torchattacks":
                found = package.PGD(Plain(target), eps=EPS, alpha=ALPHA, steps=50)(images, labels)
            else:
                wrapped = package.PyTorchModel(Plain(target), bounds=(0, 1), device="cpu")
                attack = package.attacks.LinfPGD(abs_stepsize=ALPHA, steps=50)
                _, found, _ = attack(wrapped, images, labels, epsilons=EPS)
            return right(target, found, labels)

    own()
    seconds, accuracy = benchmark.pedantic(lambda: timed(own), rounds=1)  # type: ignore[attr-defined]
    reference, last_accuracy = timed(theirs)
    benchmark.extra_info |= {"ratio": reference / seconds, "own": accuracy, "theirs": last_accuracy}  # type: ignore[attr-defined]
    assert accuracy <= last_accuracy
    assert 3 * queries <= 50 * len(images)


@pytest.mark.benchmark(group="snn_standard")
@pytest.mark.parametrize(("tier", "samples", "eps"), [("fast", 48, 0.2), ("standard", 64, 0.15)])
def test_the_cascade_spends_a_quarter_of_its_members(
    benchmark: object, tier: Literal["fast", "standard"], samples: int, eps: float
) -> None:
    """Members one after another on all samples to their last step, the convergence rule's 200 steps among them.

    Bound by the survivors, whom every member attacks; queries are what is asserted, seconds are told.
    """
    torch.set_num_threads(1)
    model, (images, labels) = trained(), held_out(samples)
    target, ball = Target(model), Ball(eps)
    rule = [doubled(200)] if tier == "standard" else []

    def cascade() -> tuple[float, int]:
        entry = {f"snn_{tier}": {"eps": eps, "most_steps": 200}}
        (found,) = evaluate(model, images, labels, [entry], batch_size=64)
        return found.accuracy, sum(stage["queries"] for stage in found.details["stages"])

    def one_after_another() -> tuple[float, int]:
        batch = next(ArraySamples(images, labels).batches(64))
        standing, queries = torch.ones(samples, dtype=torch.bool), 0
        with target.frozen():
            for member in (*members(tier, "linf"), *rule, *last(tier, "linf")):
                estimator = make(member.estimator)
                with estimating(target, estimator, images[:8]):
                    state = estimator if estimator.stateful else None
                    streams = batch.random(0, member.name)
                    active = ActiveSet(target, batch, ball, streams, batch_size=64, state=state, leave=False)
                    attacks.create(member.attack, **member.parameters).run(active)
                with torch.no_grad():
                    standing &= correct(target(active.best), labels)
                queries += int(active.queries.sum())
        return float(standing.float().mean()), queries

    seconds, (accuracy, queries) = benchmark.pedantic(lambda: timed(cascade), rounds=1)  # type: ignore[attr-defined]
    reference, (union, all_queries) = timed(one_after_another)
    benchmark.extra_info |= {  # type: ignore[attr-defined]
        "ratio": reference / seconds,
        "queries": all_queries / queries,
        "own": accuracy,
        "theirs": union,
    }
    assert all_queries >= 4 * queries
