"""Spikes that a neuron makes by itself are found, and an estimator reaches them; what it cannot act on is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.estimator.census import take
from robustbench_snn.model.target import Target


class OwnSpike(neuron.LIFNode):  # type: ignore[misc]
    """Fires by itself, without a gradient."""

    v: Tensor

    def single_step_forward(self, x: Tensor) -> Tensor:
        self.v = self.v / 2.0 + x
        spikes: Tensor = (self.v - self.v_threshold >= 0).to(x)
        self.v = self.v * (1.0 - spikes.detach())
        return spikes


def model(kind: type[Any]) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), kind(v_threshold=0.1, step_mode="s"), nn.Linear(16, 5))


IMAGES, LABELS = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5


def test_a_neuron_that_computes_its_own_spike_is_reached() -> None:
    target = Target(model(OwnSpike).eval(), timesteps=2)
    census = take(target, IMAGES)
    assert (census.spikes, census.unreached) == (2, ())
    assert not census.reached.neurons, "its surrogate function would be swapped without effect"
    entry = {"pgd": {"eps": 0.5, "steps": 10, "estimator": "ste"}}
    found = evaluate(model(OwnSpike), IMAGES, LABELS, [entry], timesteps=2)[0]
    assert found.accuracy <= evaluate(model(OwnSpike), IMAGES, LABELS, timesteps=2)[0].accuracy
    assert "no_input_gradient" in found.flags, "its own backward pass has none"


def test_a_rule_for_lif_neurons_refuses_others() -> None:
    entry = {"pgd": {"eps": 0.1, "steps": 2, "estimator": "rga"}}
    with pytest.raises(UserError, match="defined for LIF, PLIF and IF neurons"):
        evaluate(model(OwnSpike), IMAGES, LABELS, [entry], timesteps=2)
    assert evaluate(model(neuron.LIFNode), IMAGES, LABELS, [entry], timesteps=2)[0].accuracy <= 1.0


def test_a_net_of_single_steps_states_how_many() -> None:
    with pytest.raises(UserError, match="timesteps=T"):
        evaluate(model(neuron.LIFNode), IMAGES, LABELS)
