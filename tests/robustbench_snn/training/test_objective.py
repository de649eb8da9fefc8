"""Losses against torch's own cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.training import Recipe
from robustbench_snn.training.objective import objective_of, readout_loss, soft_cross_entropy, tet_loss

STEPS, BATCH, CLASSES = 3, 5, 10


@pytest.fixture
def step_logits() -> torch.Tensor:
    return torch.randn(STEPS, BATCH, CLASSES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets() -> torch.Tensor:
    return torch.rand(BATCH, CLASSES, generator=torch.Generator().manual_seed(1)).softmax(1)


def test_soft_cross_entropy(step_logits: torch.Tensor, targets: torch.Tensor) -> None:
    assert soft_cross_entropy(step_logits[0], targets) == pytest.approx(F.cross_entropy(step_logits[0], targets))
    assert soft_cross_entropy(step_logits[0].half(), targets).dtype == torch.float32


def test_readouts(build: Callable[..., Classifier], step_logits: torch.Tensor, targets: torch.Tensor) -> None:
    mean = F.cross_entropy(step_logits.mean(0), targets)
    assert readout_loss(build(), step_logits, targets) == pytest.approx(mean.item())
    last = F.cross_entropy(step_logits[-1], targets)
    assert readout_loss(build(readout="last"), step_logits, targets) == pytest.approx(last.item())
    first = F.cross_entropy(step_logits[:2].mean(0), targets)  # the tiny model's segments: 2 steps, then 1
    by_segment = readout_loss(build(readout="last_segment"), step_logits, targets)
    assert by_segment == pytest.approx((0.25 * first + 0.75 * last).item())


def test_tet_is_the_mean_over_steps(build: Callable[..., Classifier], targets: torch.Tensor) -> None:
    model = build("direct").eval()
    images = torch.rand(BATCH, 1, 8, 8)
    steps = model.step_logits(images)
    expected = sum(F.cross_entropy(logits, targets).item() for logits in steps) / STEPS
    loss, logits = objective_of(Recipe(loss="tet"))(model, images, targets)
    assert loss.item() == pytest.approx(expected)
    assert tet_loss(steps, targets).item() == pytest.approx(expected)
    assert torch.equal(logits, model(images))
    assert not logits.requires_grad
    assert loss.requires_grad


def test_adversarial_training_sees_other_images_inside_the_ball(build: Callable[..., Classifier]) -> None:
    model = build("direct")
    seen: list[tuple[Tensor, bool]] = []
    inner = model.step_logits

    def watch(images: Tensor, **parameters: Any) -> Tensor:
        seen.append((images.detach(), model.training))
        return inner(images, **parameters)

    model.step_logits = watch  # type: ignore[method-assign]
    images, targets = torch.rand(8, 1, 8, 8), F.one_hot(torch.arange(8), CLASSES).float()
    recipe = Recipe.model_validate({"adversarial": {"eps": "16/255", "steps": 2}})
    loss, _ = objective_of(recipe)(model.train(), images, targets)
    assert loss.requires_grad
    trained_on = [batch for batch, training in seen if training]
    assert len(trained_on) == 1
    assert 0 < float((trained_on[0] - images).abs().max()) <= 16 / 255 + 1e-6
