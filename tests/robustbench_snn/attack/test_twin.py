"""Twins: closed forms of what they compute, the model they leave alone, and what their images do to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.twin import relu_twin, soft_twin
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target
from robustbench_snn.suites.attacks.pgd import PGD
from robustbench_snn.suites.attacks.transfer import Transfer
from robustbench_snn.testing.subject import samples_for, small_target, untouched
from tests.attack_models import ConvLIF, Linear, held_out, held_out_samples, trained

torch.set_num_threads(1)


def rates(model: ConvLIF, images: Tensor) -> Tensor:
    """ConvLIF with relu(x / 1) for its neurons; every step is alike, so one is enough."""
    spikes = torch.relu(model.first(images))
    result: Tensor = model.read(torch.relu(model.second(spikes)).flatten(1))
    return result


def graded(model: ConvLIF, images: Tensor, sharpness: float) -> Tensor:
    """ConvLIF with graded spikes, step by step: charge, spike, hard reset by the spike's share."""
    first, second, total = torch.zeros(1), torch.zeros(1), torch.zeros(1)
    for _ in range(model.steps):
        first = first + (model.first(images) - first) / 2.0
        spikes = torch.sigmoid(sharpness * (first - 1.0))
        first = (1.0 - spikes) * first
        second = second + (model.second(spikes) - second) / 2.0
        spikes = torch.sigmoid(sharpness * (second - 1.0))
        second = (1.0 - spikes) * second
        total = total + model.read(spikes.flatten(1))
    return total / model.steps


@pytest.mark.parametrize("mode", ["m", "s"])
def test_twins_compute_what_they_say(mode: str) -> None:
    model, (images, _) = trained(mode), held_out(8)
    relu, soft = relu_twin(Target(model)), soft_twin(Target(model), 5.0)
    assert relu is not None
    assert soft is not None
    torch.testing.assert_close(relu(images), rates(model, images))
    torch.testing.assert_close(soft(images), graded(model, images, 5.0), atol=1e-4, rtol=1e-4)


def test_spikes_are_the_limit_of_graded_ones() -> None:
    target, (images, _) = Target(trained()), held_out(8)
    soft = soft_twin(target, 1e7)
    assert soft is not None
    torch.testing.assert_close(soft(images), target(images))


def test_a_threshold_is_the_unit_of_the_current() -> None:
    model = nn.Sequential(neuron.IFNode(v_threshold=2.0), nn.Flatten())
    relu = relu_twin(Target(model, timesteps=2))
    assert relu is not None
    images = torch.tensor([[[[3.0, -1.0]]]])
    assert relu(images).tolist() == [[1.5, 0.0]]


@pytest.mark.parametrize("encoder", ["direct", "rate"])
def test_the_model_is_left_alone_and_shares_its_weights(encoder: str) -> None:
    target = small_target(encoder=encoder)
    images = samples_for(target, 4).images(torch.arange(4)).requires_grad_()
    target(images)  # leaves membranes with a graph
    with untouched(target):
        twin = relu_twin(target)
    assert twin is not None
    assert twin.stochastic == target.stochastic
    shared = zip(target.model.parameters(), twin.model.parameters(), strict=True)
    assert all(ours is theirs for ours, theirs in shared)
    assert not any(ours is theirs for ours, theirs in zip(target.neurons, twin.neurons, strict=True))
    with twin.frozen(), torch.enable_grad():
        (slope,) = torch.autograd.grad(twin(images).sum(), images)
    assert slope.abs().sum() > 0


def test_a_model_without_spikes_has_no_twin() -> None:
    assert relu_twin(Target(Linear())) is None
    assert soft_twin(Target(Linear())) is None


class FlatLIF(neuron.LIFNode):  # type: ignore[misc]
    """Neurons whose input current has no gradient: they hide it from every surrogate."""

    def forward(self, current: Tensor) -> Tensor:
        spikes: Tensor = super().forward(current.detach())
        return spikes


def test_relu_twins_see_through_neurons_that_hide_their_gradient() -> None:
    model = ConvLIF(kind=FlatLIF)
    model.load_state_dict(trained().state_dict())
    target, samples = Target(model.eval()), held_out_samples(32)
    twin = relu_twin(target)
    assert twin is not None
    robust = []
    for source in (target, twin):
        cascade = Cascade(Subject(target, samples), Ball(0.15))
        with target.frozen():
            cascade.attack(stage("transfer", Transfer(source, PGD(steps=10, loss="margin"))))
        robust.append(cascade.robust_accuracy)
    assert robust[1] < robust[0] - 0.2


@pytest.mark.parametrize("kind", [neuron.ComplementaryLIFNode, neuron.LIFNode, neuron.KLIFNode])
def test_soft_twins_of_neurons_that_ask_what_their_surrogate_is(kind: Any) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), kind(step_mode="s"), nn.Linear(6, 3)).eval()
    twin = soft_twin(Target(model, timesteps=2))
    assert twin is not None
    images = torch.rand(3, 1, 2, 2).requires_grad_()
    with twin.frozen(), torch.enable_grad():
        (slope,) = torch.autograd.grad(twin(images).sum(), images)
    assert slope.abs().sum() > 0
