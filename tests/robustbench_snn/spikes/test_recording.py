"""Spikes as they are seen from outside, and what is counted of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.model.neurons import NeuronConfig, StepMode, reset
from robustbench_snn.spikes.distance import Recorded, SpikeDistance
from robustbench_snn.spikes.rates import Activity
from robustbench_snn.spikes.recording import layer_names, watched

CURRENT = torch.tensor([0.0, 1.0, 0.5, 0.4])
"""An IF neuron of threshold 1 fires never, always, every second step, and at steps 2, 4, 7 of 8 (0-based)."""
EXPECTED = torch.tensor(
    [[0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0, 0]]
).T  # hard reset: 0.4 needs three steps


class Steps(nn.Module):
    """The same neurons in step mode m or s, or in segments."""

    def __init__(self, mode: StepMode, pieces: int = 1) -> None:
        super().__init__()
        self.neuron = NeuronConfig(type="if").build(step_mode=mode)
        self.mode, self.pieces = mode, pieces

    def forward(self, current: Tensor) -> Tensor:
        if self.mode == "s":
            return torch.stack([self.neuron(step) for step in current])
        return torch.cat([self.neuron(piece) for piece in current.chunk(self.pieces)])


@pytest.mark.parametrize("model", [Steps("m"), Steps("s"), Steps("m", 4)])
def test_rates_silent_and_saturated_neurons(model: Steps) -> None:
    activity = Activity(samples=2)
    with watched(model, activity.observe):
        model(CURRENT.expand(8, 3, 4))  # the third sample is padding
    layer = activity.layers["neuron"]
    assert layer_names(model) == ["neuron"]
    assert (layer.neurons, layer.seen) == (4, 16)
    assert layer.fired is not None
    assert layer.fired.tolist() == [2 * count for count in EXPECTED.sum(0).tolist()]
    assert layer.rate == pytest.approx(float(EXPECTED.double().mean()))
    assert layer.silent == layer.saturated == 0.25
    assert activity.mean_rate() == pytest.approx(layer.rate)
    reset(model)
    model(CURRENT.expand(8, 3, 4))
    assert layer.seen == 16  # nobody watches any more


@pytest.mark.parametrize("model", [Steps("m"), Steps("s"), Steps("m", 2)])
def test_recorded_spikes_stand_in_order_of_time(model: Steps) -> None:
    recorded = Recorded(samples=1)
    with watched(model, recorded.observe):
        model(CURRENT.expand(8, 2, 4))
    assert torch.equal(recorded.layers()["neuron"][:, 0], EXPECTED.bool())


def test_distance_counts_the_spikes_that_differ() -> None:
    clean = torch.zeros(2, 3, 5, dtype=torch.bool)
    other = clean.clone()
    other[0, 0, :2] = True
    other[1] = True
    distance = SpikeDistance()
    for row in range(3):  # batches of one
        distance.add({"a": clean[:, row : row + 1]}, {"a": other[:, row : row + 1]})
    assert distance.by_layer() == {"a": pytest.approx([2 / 15, 1.0])}
    assert distance.chance() == {"a": pytest.approx([2 / 15, 1.0])}  # a silent layer differs wherever the other fires


def test_chance_is_the_distance_of_independent_trains() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, other = (torch.rand(1, 20, 5000, generator=generator) < rate for rate in (0.3, 0.6))
    distance = SpikeDistance()
    distance.add({"a": clean}, {"a": other})
    assert distance.by_layer()["a"][0] == pytest.approx(0.3 * 0.4 + 0.7 * 0.6, abs=0.01)
    assert distance.chance()["a"][0] == pytest.approx(distance.by_layer()["a"][0], abs=0.01)
