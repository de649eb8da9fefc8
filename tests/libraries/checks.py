"""What must hold of every spiking network, whichever library wrote its neurons."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.dataset import load_dataset
from robustbench_snn.estimator.census import census_of
from robustbench_snn.estimator.contract import estimating
from robustbench_snn.model.target import Target, Through

STEPS = 3
"""Timesteps of all models here."""
ESTIMATORS: tuple[str | dict[str, Any], ...] = ({"atan": {"alpha": 10.0}}, {"assg": {"level": 0.45}}, "rectangle")
PGD = {"pgd": {"eps": "32/255", "steps": 4}}
FAST = {"snn_fast": {"eps": "32/255"}}


@dataclass(frozen=True, eq=False)  # kept trained, one by one
class Case:
    """A network as its library's tutorials write it.

    Attributes:
        build: images (B, 1, 8, 8) in [0, 1] to logits (B, 10), untrained.
        spikes: slopes that an estimator gives in one forward pass, beyond those of swapped neurons.
        neurons: SpikingJelly's layers, whose surrogate function is swapped.
        arguments: of ``evaluate``: ``timesteps``, ``reset``.
        start: what its training loop does before every batch.
    """

    build: Callable[[], nn.Module]
    spikes: int
    neurons: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[nn.Module], object] = lambda model: None

    @property
    def target(self) -> Target:
        """The trained model."""
        return Target(trained(self).eval(), **self.arguments)


def library(name: str) -> Any:
    """A library of spiking neurons; its tests are skipped where it is not installed, and fail where it has to be."""
    if os.environ.get("RBSNN_LIBRARIES") != "required":
        return pytest.importorskip(name, reason=f"{name} is not installed: pip install 'robustbench_snn[libraries]'")
    return import_module(name)


def digits() -> tuple[Tensor, Tensor]:
    """The images and labels that are attacked."""
    test = load_dataset("digits").test
    return test.images(torch.arange(16)), test.labels[:16]


@cache
def trained(case: Case) -> nn.Module:
    """Trained for a moment, and left with whatever its last batch, of 50, has left in it."""
    torch.manual_seed(0)
    model, data = case.build().train(), load_dataset("digits").train
    run = Target(model, **case.arguments) if case.arguments else model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    images, labels = data.images(torch.arange(500)), data.labels[:500]
    for _ in range(3):
        for rows in torch.arange(500).split(50):
            case.start(model)
            optimizer.zero_grad()
            nn.functional.cross_entropy(run(images[rows]), labels[rows]).backward()
            optimizer.step()
    return model


def check_spikes(case: Case, *, through: Through = Through.NO) -> None:
    """Every spike is found, and estimators change the gradient but no logit.

    Args:
        case: the network.
        through: whether estimators pass through what cuts the gradient.
    """
    target, (images, labels) = case.target, digits()
    target.through = through
    with target.frozen():
        census = census_of(target, images[:8])
        assert census is not None
        assert (census.spikes, len(census.reached.neurons)) == (case.spikes, case.neurons)
        assert census.unreached == ()
        logits, gradients = zip(*(_answer(target, images, labels, name) for name in (None, *ESTIMATORS)), strict=True)
    assert all(torch.equal(logits[0], other) for other in logits[1:])
    assert all(one.any() for one in gradients)
    for i, one in enumerate(gradients):
        assert not any(torch.equal(one, other) for other in gradients[:i]), ESTIMATORS[i - 1]


def _answer(target: Target, images: Tensor, labels: Tensor, name: Any) -> tuple[Tensor, Tensor]:
    leaf = images.clone().requires_grad_()
    with nullcontext() if name is None else estimating(target, name, images[:8]):
        logits = target(leaf)
        (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), leaf)
    return logits.detach(), gradient


def check_numbers(case: Case, *evaluations: Any, count: int = 16) -> list[float]:
    """The same numbers at batch sizes 3 and 32, and a second time; returns the accuracies."""
    images, labels = (values[:count] for values in digits())
    model = trained(case).eval()
    runs = [evaluate(model, images, labels, evaluations, batch_size=size, **case.arguments) for size in (32, 3, 32)]
    for other in runs[1:]:
        for one, two in zip(runs[0], other, strict=True):
            assert one.accuracy == two.accuracy
            assert np.array_equal(one.columns["correct"], two.columns["correct"])
            assert "batch_dependent" not in one.flags
    return [result.accuracy for result in runs[0]]
