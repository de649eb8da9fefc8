"""Learning rates by their formulas, weight decay by group."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from robustbench_snn.training import Recipe, resolve_recipe
from robustbench_snn.training.optimization import LearningRate, make_optimizer


def test_the_official_schedule_epoch_by_epoch() -> None:
    recipe = resolve_recipe("spikformer_cifar")
    rate = LearningRate(make_optimizer(nn.Linear(2, 2), recipe), recipe, batches=390)
    for epoch in range(310):
        if epoch < 20:
            expected = 1e-5 + epoch * (5e-4 - 1e-5) / 20
        elif epoch < 300:
            expected = 1e-5 + (5e-4 - 1e-5) * (1 + math.cos(math.pi * epoch / 300)) / 2
        else:
            expected = 1e-5
        for batch in (0, 389):
            assert rate.set(epoch, batch) == pytest.approx(expected, rel=1e-9), epoch


def test_by_batch() -> None:
    recipe = Recipe(epochs=4, warmup_epochs=1, lr=0.1, schedule_by="batch")
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    rate = LearningRate(optimizer, recipe, batches=10)
    for update in range(40):
        expected = 0.01 * update if update < 10 else 0.05 * (1 + math.cos(math.pi * update / 40))
        assert rate.set(update // 10, update % 10) == pytest.approx(expected, abs=1e-12)
        assert all(group["lr"] == rate.set(update // 10, update % 10) for group in optimizer.param_groups)


def test_constant_with_warmup_and_a_single_epoch() -> None:
    recipe = Recipe(epochs=5, warmup_epochs=2, warmup_lr=0.02, lr=0.1, schedule="constant")
    rate = LearningRate(make_optimizer(nn.Linear(2, 2), recipe), recipe, 3)
    assert [rate.set(epoch, 0) for epoch in range(5)] == pytest.approx([0.02, 0.06, 0.1, 0.1, 0.1])
    one = Recipe(epochs=1, lr=0.1)
    assert LearningRate(make_optimizer(nn.Linear(2, 2), one), one, 3).set(0, 2) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_biases_and_norms_do_not_decay(name: str, kind: type) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = make_optimizer(model, Recipe(optimizer=name, weight_decay=0.06))  # type: ignore[arg-type]
    assert isinstance(optimizer, kind)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.06, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0,
    }  # fmt: skip
