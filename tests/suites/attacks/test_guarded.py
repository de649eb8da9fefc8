"""Gradients that are not finite, or all zero, cost an attack next to nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.losses import LOSSES, ce
from robustbench_snn.attack.rows import Rows
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.model.target import Target
from robustbench_snn.registry import attacks
from robustbench_snn.suites.attacks import apgd
from robustbench_snn.testing.watching import CountingTarget, Masked, WatchedSet
from tests.attack_models import Linear, held_out_samples, trained
from tests.suites.attacks.test_attacks import attacked, linear_samples

torch.set_num_threads(1)


class Rooted(nn.Module):
    """sqrt(x)^2 = x, whose gradient at 0 is infinity times 0."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.model(images.sqrt().square())
        return result


class Broken(nn.Module):
    """A finite answer, with a gradient that is never finite."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.model(images.detach()) + (images - images).sum((1, 2, 3), keepdim=True)[:, :, 0, 0].sqrt()
        return result


def active_set(model: nn.Module, count: int, batch_size: int = 64) -> ActiveSet:
    samples = held_out_samples(count)
    batch = next(samples.batches(count))
    return ActiveSet(CountingTarget(model), batch, Ball(0.1), batch.random(0, "guarded"), batch_size=batch_size)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("fgsm", {}),
        ("pgd", {"steps": 10}),
        ("mi_fgsm", {"steps": 10}),
        ("apgd_ce", {"steps": 10}),
        ("sa_pgd", {"steps": 10}),
        ("fab_t", {"steps": 5, "targets": 2}),
    ],
)
def test_pixels_without_a_slope_protect_nobody(name: str, parameters: dict[str, int], norm: str) -> None:
    samples = held_out_samples(40)
    eps = {"linf": 0.12, "l2": 0.6}[norm]
    with_root, without = (
        attacked(model, samples, name, eps, norm, **parameters)  # type: ignore[arg-type]
        for model in (Rooted(trained()), trained())
    )
    assert abs(with_root.robust_accuracy - without.robust_accuracy) <= 1 / 40 + 1e-6
    assert without.robust_accuracy < 0.9, "or nothing was to be seen"


def test_repairs_change_only_what_was_not_finite_and_are_counted() -> None:
    rooted, plain = active_set(Rooted(trained()), 12), active_set(trained(), 12)
    clean = rooted.clean
    left = (clean == 0).flatten(1).any(1)
    found, true = rooted.gradient(clean), plain.gradient(clean)
    assert left.any()
    assert torch.equal(rooted.repaired, left.long())
    assert torch.equal(rooted.queries, 1 + left.long())
    assert not plain.repaired.any()
    target = rooted.target
    assert isinstance(target, CountingTarget)
    assert int(rooted.queries.sum()) <= target.seen
    zero = clean[found.kept] == 0
    torch.testing.assert_close(found.gradient[~zero], true.gradient[~zero], rtol=1e-3, atol=1e-5)
    assert found.gradient.isfinite().all()
    assert (found.gradient[zero] != 0).any(), "taken from further inside"


def test_repairs_do_not_depend_on_the_batch_size() -> None:
    one, other = (active_set(Rooted(trained()), 12, size) for size in (5, 64))
    assert torch.equal(one.gradient(one.clean).gradient, other.gradient(other.clean).gradient)


def test_what_is_never_finite_is_zero() -> None:
    active = active_set(Broken(trained()), 8)
    answer = active.gradient(active.clean)
    assert not answer.gradient.any()
    assert (active.repaired[active.rows] == 1).all()


def test_a_loss_that_is_not_finite_beats_none() -> None:
    active = active_set(trained(), 8)
    answer = active.gradient(active.clean, lambda logits, labels: logits[:, 0] * torch.nan)
    assert (answer.loss == -torch.inf).all()
    assert answer.gradient.isfinite().all()


def test_apgd_forgets_a_point_whose_loss_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN at the first point would otherwise stand for good: nothing compares as greater than NaN."""
    states: list[Rows] = []
    begin, values = apgd._begin, iter([torch.nan] + 100 * [1.0])

    def begun(*first: Any) -> Rows:
        states.append(begin(*first))
        return states[-1]

    monkeypatch.setattr(apgd, "_begin", begun)
    monkeypatch.setitem(LOSSES, "ce", lambda logits, labels: next(values) * ce(logits, labels))
    active = active_set(trained(), 8)
    attacks.create("apgd", steps=6).run(active)
    assert len(active), "or nothing was compared"
    assert states[0].best_loss.isfinite().all()


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("name", ["fgsm", "pgd", "mi_fgsm", "apgd_ce", "apgd_t", "sa_pgd"])
def test_without_a_gradient_an_attack_walks_at_random(name: str, detached: bool) -> None:
    """Nobody stands still, and each sample walks its own way whatever the batch."""
    samples = linear_samples(6)[1]
    model = Masked(16, detached)
    parameters = {} if name == "fgsm" else {"steps": 3}
    if name in ("pgd", "sa_pgd"):
        parameters |= {"random_start": False}
    found = []
    for size in (2, 64):
        batch = next(ArraySamples(samples.pixels, model(samples.pixels).argmax(1)).batches(6))
        active = WatchedSet(Target(model), batch, Ball(1e-3), batch.random(0, name), batch_size=size)
        attacks.create(name, **parameters).run(active)
        found.append(active.last - batch.images)
    assert torch.equal(*found)
    assert found[0].flatten(1).any(1).all()
    assert not torch.equal(found[0][0].sign(), found[0][1].sign())


def test_random_steps_take_only_those_without_a_gradient() -> None:
    model, samples = Linear(classes=4), linear_samples(4)[1]
    batch = next(samples.batches(4))
    active = ActiveSet(Target(model), batch, Ball(0.1), batch.random(0, "some"), batch_size=64)
    gradient = torch.zeros_like(batch.images)
    gradient[1, 0, 0, 0] = -2.0
    move = active.ascent(gradient)
    assert torch.equal(move[1], gradient[1].sign())
    assert (move[[0, 2, 3]] != 0).all()
