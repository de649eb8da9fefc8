"""How much the active set saves, as ratios within one run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robustbench_snn import evaluate
from robustbench_snn.attacking.members import last, members
from robustbench_snn.attacking.plain import Plain
from robustbench_snn.estimating import estimating, make
from robustbench_snn.registry import attacks
from robustbench_snn.scoring import correct
from robustbench_snn.target import Target
from tests.attack_models import held_out, trained

EPS, ALPHA = 0.2, 0.05


def timed(function: Callable[[], float]) -> tuple[float, float]:
    begun = time.perf_counter()
    accuracy = function()
    return time.perf_counter() - begun, accuracy


def right(target: Target, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(correct(target(images), labels).float().mean())


@pytest.mark.benchmark(group="pgd-50")
@pytest.mark.parametrize("other", ["torchattacks", "foolbox"])
def test_own_pgd_is_three_times_as_fast(benchmark: object, other: str) -> None:
    """At equal or lower robust accuracy.

    Bound by the survivors, who pay all 50 steps, and on small models by the cost of a call, which a shrunken batch
    shares among fewer.
    """
    torch.set_num_threads(1)
    package = pytest.importorskip(other)
    model, (images, labels) = trained(), held_out(256)
    target = Target(model)

    def own() -> float:
        return evaluate(model, images, labels, [{"pgd": {"eps": EPS, "steps": 50}}], batch_size=256)[0].accuracy

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
    assert reference / seconds >= 3.0


@pytest.mark.benchmark(group="snn_standard")
def test_the_cascade_is_four_times_as_fast_as_its_members(benchmark: object) -> None:
    """Members one after another on all samples, without an active set between them; Square at 500 queries."""
    torch.set_num_threads(1)
    model, (images, labels) = trained(), held_out(48)
    target = Target(model)
    tier = "fast"

    def cascade() -> float:
        return evaluate(model, images, labels, [{"snn_fast": {"eps": EPS}}], batch_size=64)[0].accuracy

    def one_after_another() -> float:
        from robustbench_snn.attacking.active import ActiveSet
        from robustbench_snn.attacking.ball import Ball
        from robustbench_snn.samples import ArraySamples

        batch = next(ArraySamples(images, labels).batches(64))
        standing = torch.ones(len(labels), dtype=torch.bool)
        with target.frozen():
            for member in (*members(tier, "linf"), *last(tier, "linf")):
                estimator = make(member.estimator)
                with estimating(target, estimator, images[:8]):
                    state = estimator if estimator.stateful else None
                    streams = batch.random(0, member.name)
                    active = ActiveSet(target, batch, Ball(EPS), streams, batch_size=64, state=state, leave=False)
                    attacks.create(member.attack, **member.parameters).run(active)
                with torch.no_grad():
                    standing &= correct(target(active.best), labels)
        return float(standing.float().mean())

    cascade()
    seconds, accuracy = benchmark.pedantic(lambda: timed(cascade), rounds=1)  # type: ignore[attr-defined]
    reference, union = timed(one_after_another)
    benchmark.extra_info |= {"ratio": reference / seconds, "own": accuracy, "theirs": union}  # type: ignore[attr-defined]
    assert reference / seconds >= 4.0
