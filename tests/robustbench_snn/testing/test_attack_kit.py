"""Each broken attack fails the check made for it."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_snn.plugins import ActiveSet, Attack, UserError, register_attack
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.testing import AttackConformance, check_attack


def step(active: ActiveSet, size: float = 1.0) -> None:
    """FGSM, a step of ``size`` radii."""
    answer = active.gradient(active.clean)
    active.note(active.project(active.clean + size * active.ball.eps * active.ball.ascent(answer.gradient)))


class Sound(Attack):
    def run(self, active: ActiveSet) -> None:
        step(active)


class OneNormOnly(Attack):
    """Declared for both."""

    def run(self, active: ActiveSet) -> None:
        if active.ball.norm == "l2":
            raise UserError("not in this norm")
        step(active)


class NoProjection(Attack):
    def run(self, active: ActiveSet) -> None:
        answer = active.gradient(active.clean)
        active.note(active.clean + active.ball.eps * active.ball.ascent(answer.gradient))


class MovesTheBall(Attack):
    """Changes the clean images in place, and with them what the ball is."""

    def run(self, active: ActiveSet) -> None:
        for _ in range(3):
            answer = active.gradient(active.clean)
            active.clean += active.ball.eps * active.ball.ascent(answer.gradient)
            active.clean.clamp_(0.0, 1.0)
        active.note(active.clean)


class DoesNothing(Attack):
    def run(self, active: ActiveSet) -> None:
        active.note(active.clean)


class WrongSign(Attack):
    def run(self, active: ActiveSet) -> None:
        step(active, -1.0)


class StaleLogits(Attack):
    """Says of an image what was true of another one."""

    def run(self, active: ActiveSet) -> None:
        logits = active.ahead(active.clean.flip(1)[:, None])[:, 0]
        active.take(active.clean, -logits, torch.ones_like(active.labels))


class Unnoted(Attack):
    """Leaves images that it never asked about."""

    def run(self, active: ActiveSet) -> None:
        active.note(active.clean)
        active.best = active.project(1.0 - active.clean)


class GlobalRandom(Attack):
    def run(self, active: ActiveSet) -> None:
        active.note(active.project(active.clean + active.ball.eps * torch.randn_like(active.clean)))


class BySizeOfBatch(Attack):
    def run(self, active: ActiveSet) -> None:
        step(active, 1.0 / active.batch_size)


class DrawsByBatch(Attack):
    """Asks a stochastic model under its own draws, the same ones for every batch."""

    def run(self, active: ActiveSet) -> None:
        step(active)
        if active.target.stochastic and len(active):
            active.note(active.project(torch.cat([self.ask(active, chunk) for chunk in active.chunks()])))

    def ask(self, active: ActiveSet, chunk: slice) -> torch.Tensor:
        images = active.clean[chunk]
        logits = active.target(images, SampleRandom.for_samples(0, sample_ids=range(len(images))))
        return images + active.ball.eps * logits.softmax(1).amax(1).reshape(-1, 1, 1, 1)


class ByBatchMates(Attack):
    """Centres gradients by the samples at hand."""

    def run(self, active: ActiveSet) -> None:
        gradient = active.gradient(active.clean).gradient
        gradient = gradient - gradient.mean(0, keepdim=True)
        active.note(active.project(active.clean + active.ball.eps * active.ball.ascent(gradient)))


class NoQueries(Attack):
    def run(self, active: ActiveSet) -> None:
        logits = active.ahead(active.clean[:, None])[:, 0]
        active.take(active.clean, logits, torch.zeros_like(active.labels))


class TooManyQueries(Attack):
    def run(self, active: ActiveSet) -> None:
        logits = active.ahead(active.clean[:, None])[:, 0]
        active.take(active.clean, logits, torch.full_like(active.labels, 10))


class HasAScale(Attack):
    """The textbook cross-entropy, which large logits leave no gradient."""

    def run(self, active: ActiveSet) -> None:
        answer = active.gradient(active.clean, "plain_ce")
        active.note(active.project(active.clean + active.ball.eps * active.ball.ascent(answer.gradient)))


class NeedsAGradient(Attack):
    def run(self, active: ActiveSet) -> None:
        gradient = active.gradient(active.clean).gradient
        if len(active):
            math.log(float(gradient.abs().sum()))


class NeedsThreeClasses(Attack):
    def run(self, active: ActiveSet) -> None:
        look = active.note(active.clean)
        if len(active):
            look.logits.topk(3)


class NeedsSomebody(Attack):
    """Asks for the gradient of nobody."""

    def run(self, active: ActiveSet) -> None:
        active.note(active.clean)
        active.gradient(active.clean)


class DropsTheFooled(Attack):
    def run(self, active: ActiveSet) -> None:
        active.leave = True
        active.note(active.project(1.0 - active.clean))
        step(active)


class Trains(Attack):
    def run(self, active: ActiveSet) -> None:
        with torch.no_grad():
            next(active.target.model.parameters()).mul_(1.5)
        step(active)


class LeavesHooks(Attack):
    def run(self, active: ActiveSet) -> None:
        active.target.model.register_forward_hook(lambda module, inputs, output: None)
        step(active)


BROKEN: list[tuple[type[Attack], set[str]]] = [
    (OneNormOnly, {"norms"}),
    (NoProjection, {"stays inside the ball"}),
    (MovesTheBall, {"stays inside the ball"}),
    (DoesNothing, {"fools"}),
    (WrongSign, {"lowers the margin"}),
    (StaleLogits, {"keeps what fooled", "no room fools nobody"}),
    (Unnoted, {"keeps what fooled"}),
    (GlobalRandom, {"deterministic under a seed"}),
    (BySizeOfBatch, {"independent of batch size"}),
    (DrawsByBatch, {"independent of batch size"}),
    (ByBatchMates, {"independent of batch mates"}),
    (NoQueries, {"counts queries"}),
    (TooManyQueries, {"counts queries"}),
    (HasAScale, {"independent of scale"}),
    (NeedsAGradient, {"without a gradient"}),
    (NeedsThreeClasses, {"two classes"}),
    (NeedsSomebody, {"everybody falls at once"}),
    (DropsTheFooled, {"goes on for transfer"}),
    (Trains, {"leaves the model alone"}),
    (LeavesHooks, {"leaves the model alone"}),
]


def failed(attack: type[Attack]) -> dict[str, str]:
    register_attack("broken", version=1)(attack)
    return {result.name: result.reason for result in check_attack("broken") if not result.passed}


@pytest.mark.parametrize(("attack", "checks"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_caught(attack: type[Attack], checks: set[str]) -> None:
    found = failed(attack)
    assert checks <= set(found)
    assert all(found.values())


def test_a_sound_attack_passes() -> None:
    assert not failed(Sound)


def test_every_check_is_shown_to_fail() -> None:
    checks = {name[5:].replace("_", " ") for name in dir(AttackConformance) if name.startswith("test_")}
    assert checks == set().union(*(names for _, names in BROKEN))


def test_an_undeclared_norm_that_is_refused_is_fine() -> None:
    register_attack("broken", version=1, norms=("linf",))(OneNormOnly)
    assert all(result.passed for result in check_attack("broken"))
