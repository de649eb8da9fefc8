"""How much the active set saves, as ratios within one run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.standard_set import doubled, last, members
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.estimator.contract import estimating, make
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.target import Target
from robustbench_snn.registry import attacks
from tests.attack_models import ConvLIF, fit, held_out, trained

PARQUET = os.environ.get("RBSNN_CIFAR10_PARQUET", "")
Found = TypeVar("Found")


def timed(function: Callable[[], Found]) -> tuple[float, Found]:
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def right(target: Target, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(correct(target(images), labels).float().mean())


@cache
def cifar() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """A small SNN trained normally on 4,000 images of CIFAR-10, and 256 test images."""
    data = load_dataset("parquet", root=PARQUET, train_limit=4000, limit=256)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ConvLIF(width=16, shape=(3, 32))
        fit(model, *everything(data.train))
    return model.eval(), everything(data.test)


def everything(samples: Samples) -> tuple[Tensor, Tensor]:
    (batch,) = samples.batches(len(samples))
    return batch.images, batch.labels


@pytest.mark.benchmark(group="pgd-50")
@pytest.mark.parametrize("other", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(
    ("data", "eps"),
    [
        ("digits", 0.15),
        ("digits", 0.2),
        pytest.param(
            "cifar10", 8 / 255, marks=pytest.mark.skipif(not PARQUET, reason="RBSNN_CIFAR10_PARQUET is not set")
        ),
    ],
)
def test_own_pgd_asks_a_third_as_often(benchmark: Any, other: str, data: str, eps: float) -> None:
    """On normally trained models, at equal or lower robust accuracy; queries are asserted, seconds are told.

    Bound by the survivors, who pay all 50 steps, and on the smallest models by the cost of a call, which a shrunken
    batch shares among fewer.
    """
    torch.set_num_threads(1)
    package = pytest.importorskip(other)
    model, (images, labels) = cifar() if data == "cifar10" else (trained(), held_out(256))
    target = Target(model)

    queries = 0

    def own() -> float:
        nonlocal queries
        found = evaluate(
            model, images, labels, [{"pgd": {"eps": eps, "steps": 50, "loss": "plain_ce"}}], batch_size=256
        )[0]
        queries = sum(stage["queries"] for stage in found.details["stages"])
        return found.accuracy

    def theirs() -> float:
        with target.frozen():
            if other == "torchattacks":
                found = package.PGD(AsModule(target), eps=eps, alpha=eps / 4, steps=50)(images, labels)
            else:
                wrapped = package.PyTorchModel(AsModule(target), bounds=(0, 1), device="cpu")
                attack = package.attacks.LinfPGD(abs_stepsize=eps / 4, steps=50)
                _, found, _ = attack(wrapped, images, labels, epsilons=eps)
            return right(target, found, labels)

    own()
    seconds, accuracy = benchmark.pedantic(lambda: timed(own), rounds=1)
    reference, last_accuracy = timed(theirs)
    benchmark.extra_info |= {
        "clean": right(target, images, labels),
        "ratio": reference / seconds,
        "bound": 50 * len(images) / queries,
        "own": accuracy,
        "theirs": last_accuracy,
    }
    assert accuracy <= last_accuracy
    assert 3 * queries <= 50 * len(images)


@pytest.mark.benchmark(group="snn_standard")
@pytest.mark.parametrize(("tier", "samples", "eps"), [("fast", 48, 0.2), ("standard", 64, 0.15)])
def test_the_cascade_spends_a_quarter_of_its_members(
    benchmark: Any, tier: Literal["fast", "standard"], samples: int, eps: float
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
            for member in (*members(tier), *rule, *last(tier)):
                estimator = make(member.estimator)
                with estimating(target, estimator, images[:8]):
                    state = estimator if estimator.stateful else None
                    streams = batch.random(0, member.seed_label)
                    active = ActiveSet(target, batch, ball, streams, batch_size=64, state=state, leave=False)
                    attacks.create(member.attack, **member.parameters).run(active)
                with torch.no_grad():
                    standing &= correct(target(active.best), labels)
                queries += int(active.queries.sum())
        return float(standing.float().mean()), queries

    seconds, (accuracy, queries) = benchmark.pedantic(lambda: timed(cascade), rounds=1)
    reference, (union, all_queries) = timed(one_after_another)
    benchmark.extra_info |= {
        "ratio": reference / seconds,
        "queries": all_queries / queries,
        "own": accuracy,
        "theirs": union,
    }
    assert all_queries >= 4 * queries
