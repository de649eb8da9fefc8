"""Networks of sinabs, which fires several spikes in one step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.libraries.checks import FAST, PGD, STEPS, Case, check_numbers, check_spikes, library

sinabs = library("sinabs")
layers = library("sinabs.layers")
activation = library("sinabs.activation")


class Squeezed(nn.Module):
    """Squeezing layers, which take batch and time in one dimension; states are left to whoever runs it."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), make(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        frames = (2.0 * x).repeat_interleave(STEPS, 0)
        logits: Tensor = self.net(frames).unflatten(0, (len(x), STEPS)).mean(1)
        return logits


def iaf(threshold: float, spike: Any) -> Any:
    return lambda: layers.IAFSqueeze(num_timesteps=STEPS, spike_threshold=torch.tensor(threshold), spike_fn=spike)


def lif(threshold: float, spike: Any) -> Any:
    return lambda: layers.LIFSqueeze(
        tau_mem=10.0, num_timesteps=STEPS, spike_threshold=torch.tensor(threshold), spike_fn=spike, norm_input=False
    )


LAYERS = {
    "IAF, several spikes": iaf(1.0, activation.MultiSpike),
    "IAF, several spikes, threshold 0.3": iaf(0.3, activation.MultiSpike),
    "LIF, one spike": lif(0.5, activation.SingleSpike),
    "LIF, two spikes at most": lif(0.3, activation.MaxSpike(2)),
}
CASES = {
    name: Case(lambda make=make: Squeezed(make), STEPS, start=lambda model: sinabs.reset_states(model))  # type: ignore[misc]
    for name, make in LAYERS.items()
}


@pytest.mark.parametrize("name", CASES)
def test_spikes_are_found_and_numbers_repeat(name: str) -> None:
    check_spikes(CASES[name])
    clean, attacked = check_numbers(CASES[name], "clean", PGD)
    assert attacked < clean


def test_the_attack_set_is_at_least_as_strong_as_pgd() -> None:
    attacked, fast = check_numbers(CASES["IAF, several spikes"], PGD, FAST, count=4)
    assert fast <= attacked
