"""Networks of snnTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.libraries.checks import FAST, PGD, STEPS, Case, check_numbers, check_spikes, library

snn = library("snntorch")
surrogate = library("snntorch.surrogate")
utils = library("snntorch.utils")

Neuron = Callable[[int], nn.Module]


class Explicit(nn.Module):
    """Membranes are handed from step to step (tutorial 5)."""

    def __init__(self, grad: Any) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 6, 3, padding=1), snn.Leaky(beta=0.9, spike_grad=grad)
        self.fc2, self.lif2 = nn.Linear(6 * 16, 10), snn.Leaky(beta=0.9, spike_grad=grad)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        mem2_rec = []
        for _ in range(STEPS):
            cur1 = nn.functional.max_pool2d(self.conv1(x), 2)
            spk1, mem1 = self.lif1(cur1, mem1)
            cur2 = self.fc2(spk1.flatten(1))
            spk2, mem2 = self.lif2(cur2, mem2)
            mem2_rec.append(mem2 + spk2)
        return torch.stack(mem2_rec).mean(0)


class Hidden(nn.Module):
    """Layers keep their membranes themselves (tutorial 6); ``utils.reset`` at every batch, or left to the user."""

    def __init__(self, make: Neuron, *, resets: bool = True) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.MaxPool2d(2),
            nn.Flatten(),
            make(96),
            nn.Linear(96, 10),
            snn.Leaky(beta=0.8, init_hidden=True, output=True),
        )
        self.resets = resets

    def forward(self, x: Tensor) -> Tensor:
        if self.resets:
            utils.reset(self.net)
        spk_rec, mem_rec = zip(*(self.net(2.0 * x) for _ in range(STEPS)), strict=True)
        return torch.stack(mem_rec).mean(0) + torch.stack(spk_rec).mean(0)


NEURONS: dict[str, Neuron] = {
    "Leaky": lambda n: snn.Leaky(beta=0.9, init_hidden=True, learn_beta=True, learn_threshold=True),
    "Leaky, reset to zero": lambda n: snn.Leaky(beta=0.9, init_hidden=True, reset_mechanism="zero"),
    "Leaky, graded spikes": lambda n: snn.Leaky(beta=0.9, init_hidden=True, graded_spikes_factor=2.5),
    "Lapicque": lambda n: snn.Lapicque(beta=0.9, init_hidden=True),
    "Synaptic": lambda n: snn.Synaptic(alpha=0.8, beta=0.9, init_hidden=True),
    "Alpha": lambda n: snn.Alpha(alpha=0.9, beta=0.5, init_hidden=True),
    "RLeaky": lambda n: snn.RLeaky(beta=0.9, linear_features=n, init_hidden=True),
}


def rsynaptic(size: int) -> nn.Module:
    """A layer that ``utils.reset`` leaves as it is."""
    layer: nn.Module = snn.RSynaptic(alpha=0.8, beta=0.9, linear_features=size, init_hidden=True)
    return layer


def reset_mem(model: nn.Module) -> None:
    for part in model.modules():
        if hasattr(part, "reset_mem"):
            part.reset_mem()


TWICE = 2 * 2 * STEPS
"""Two layers; each asks its surrogate twice a step, for the reset of the last spike too."""
CASES = {
    "membranes handed on, fast_sigmoid": Case(lambda: Explicit(surrogate.fast_sigmoid(slope=25)), TWICE),
    "membranes handed on, atan": Case(lambda: Explicit(surrogate.atan()), TWICE),
    "Leaky, never reset": Case(
        lambda: Hidden(NEURONS["Leaky"], resets=False), TWICE, start=lambda model: utils.reset(model.net)
    ),
    **{name: Case(partial(Hidden, make), TWICE) for name, make in NEURONS.items()},
    "RSynaptic": Case(lambda: Hidden(rsynaptic), TWICE, start=reset_mem),
}


@pytest.mark.parametrize("name", CASES)
def test_spikes_are_found_and_numbers_repeat(name: str) -> None:
    check_spikes(CASES[name])
    clean, attacked = check_numbers(CASES[name], "clean", PGD)
    assert attacked < clean


def test_the_attack_set_is_at_least_as_strong_as_pgd() -> None:
    attacked, fast = check_numbers(CASES["Leaky, never reset"], PGD, FAST, count=4)
    assert fast <= attacked
