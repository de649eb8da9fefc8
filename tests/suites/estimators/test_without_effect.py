"""An estimator that cannot reach a model's spikes is refused, instead of an attack that follows the old gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError


class OwnSpike(neuron.LIFNode):  # type: ignore[misc]
    """Fires by itself, with a gradient of its own."""

    v: Tensor

    def single_step_forward(self, x: Tensor) -> Tensor:
        self.v = self.v / 2.0 + x
        u = self.v - self.v_threshold
        spikes: Tensor = (u >= 0).to(u) + u.sigmoid() - u.sigmoid().detach()
        self.v = self.v * (1.0 - spikes.detach())
        return spikes


def model(kind: type[Any]) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), kind(v_threshold=0.1, step_mode="s"), nn.Linear(16, 5))


def test_a_neuron_that_computes_its_own_spike_is_refused_and_named() -> None:
    images, labels = torch.rand(8, 1, 4, 4), torch.zeros(8, dtype=torch.int64)
    entry = {"pgd": {"eps": 0.1, "steps": 2, "estimator": "ste"}}
    with pytest.raises(UserError, match=r"no effect on 1 of 1 layers of neurons of Sequential \(first: 2\)"):
        evaluate(model(OwnSpike), images, labels, [entry])
    assert evaluate(model(neuron.LIFNode), images, labels, [entry])[0].accuracy <= 1.0
    assert evaluate(model(OwnSpike), images, labels, [{"pgd": {"eps": 0.1, "steps": 2}}])[0].accuracy <= 1.0
