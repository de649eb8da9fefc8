"""PGD-AT and TRADES."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.model.neurons import reset
from robustbench_snn.training.adversarial import AdversarialConfig, adversarial_images, adversarial_loss
from tests.attack_models import held_out, trained


@pytest.mark.parametrize("kind", ["pgd", "trades"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_inner_maximisation_stays_in_the_ball_and_raises_the_loss(kind: Literal["pgd", "trades"], norm: Norm) -> None:
    model, (images, labels) = trained().train(), held_out(32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = AdversarialConfig(kind=kind, eps=0.15, norm=norm, steps=5)
    targets = nn.functional.one_hot(labels, 10).float()
    found = adversarial_images(model, images, targets, config)
    assert Ball(0.15, norm).contains(found, images).all()
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "batch norm stood still"
    losses = []
    model.eval()
    for batch in (images, found):
        reset(model)
        losses.append(nn.functional.cross_entropy(model(batch), labels).item())
    assert losses[1] > losses[0]


def test_trades_is_clean_loss_plus_divergence() -> None:
    model, (images, labels) = trained(), held_out(16)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    clean, robust = (
        adversarial_loss(
            model, images, labels, AdversarialConfig(kind="trades", eps=0.1, beta=beta, random_start=False)
        ).item()
        for beta in (0.0, 2.0)
    )
    reset(model)
    assert clean == pytest.approx(nn.functional.cross_entropy(model(images), labels).item(), rel=1e-5)
    assert robust >= clean


def test_gradients_reach_the_weights() -> None:
    model, (images, labels) = trained().train(), held_out(16)
    config = AdversarialConfig.model_validate({"eps": "8/255", "steps": 2, "estimator": "atan"})
    adversarial_loss(model, images, labels, config).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "wrong", [{"eps": 0}, {"eps": 2.0}, {"eps": 0.1, "estimator": "assg"}, {"eps": 0.1, "kind": "fgsm"}]
)
def test_wrong_configurations(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AdversarialConfig.model_validate(wrong)
