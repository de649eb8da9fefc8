"""Networks written by hand, after the tutorials that need no library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.model.target import Through
from tests.libraries.checks import PGD, STEPS, Case, check_numbers, check_spikes


class SurrGradSpike(torch.autograd.Function):
    """As in SpyTorch: Neftci, Mostafa and Zenke, 2019, IEEE Signal Processing Magazine 36(6)."""

    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:  # noqa: A002 - its name there
        ctx.save_for_backward(input)
        out = torch.zeros_like(input)
        out[input > 0] = 1.0
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (given,) = ctx.saved_tensors
        slope: Tensor = grads[0] / (10.0 * given.abs() + 1.0) ** 2
        return slope


def straight_through(u: Tensor) -> Tensor:
    """The forward pass of one function, the backward pass of another."""
    hard, soft = (u > 0).float(), torch.sigmoid(4.0 * u)
    return (hard - soft).detach() + soft


class LIF(nn.Module):
    """Keeps its membrane, and never forgets it."""

    def __init__(self, fire: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fire, self.v = fire, torch.zeros(1)

    def forward(self, drive: Tensor) -> Tensor:
        v = (self.v if self.v.shape == drive.shape else torch.zeros_like(drive)) * 0.5 + drive
        spikes = self.fire(v - 0.5)
        self.v = v * (1.0 - spikes.detach())
        return spikes


class Net(nn.Module):
    """Loops over its steps, and does not reset its layers."""

    def __init__(self, fire: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), LIF(fire), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 24), LIF(fire),
            nn.Linear(24, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.net(2.0 * x) for _ in range(STEPS)]).mean(0)


def forget(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, LIF):
            part.v = torch.zeros(1)


@pytest.mark.parametrize(
    ("fire", "through"),
    [(SurrGradSpike.apply, Through.NO), (straight_through, Through.VALUES)],  # its own detach cuts an estimator's slope
)
def test_spikes_are_found_and_numbers_repeat(fire: Callable[[Tensor], Tensor], through: Through) -> None:
    case = Case(lambda: Net(fire), 2 * STEPS, start=forget, arguments={"reset": forget})
    check_spikes(case, through=through)
    clean, attacked = check_numbers(case, "clean", PGD)
    assert attacked < clean
