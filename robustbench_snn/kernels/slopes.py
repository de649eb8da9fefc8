"""Which of SpikingJelly's surrogate derivatives the loops compute themselves, with the bits that torch gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from spikingjelly._ops.surrogate import _surrogate_gradient  # no public name: the formulas that training runs on
from torch import Tensor

SIGMOID, ATAN, TRIANGLE = 0, 1, 2
"""Numbers of surrogates in SpikingJelly's list."""


@dataclass(frozen=True)
class BuiltIn:
    """A surrogate of SpikingJelly.

    Attributes:
        number: its place in SpikingJelly's list.
        alpha: its sharpness.
    """

    number: int
    alpha: float

    def __call__(self, membrane: Tensor) -> Tensor:
        """ds/du of u, elementwise."""
        slope: Tensor = _surrogate_gradient(membrane, self.alpha, self.number)
        return slope

    def numbers(self) -> tuple[np.float32, np.float32]:
        """What the loops' formula takes, rounded as torch rounds them."""
        match self.number:
            case 1:
                bend, height = math.pi / 2 * self.alpha, self.alpha / 2
            case 2:
                bend, height = self.alpha, self.alpha * self.alpha
            case _:
                bend, height = self.alpha, 1.0
        return np.float32(bend), np.float32(height)


def by_formula(surrogate: BuiltIn, membranes: Tensor) -> Tensor:
    """Its slopes (N,) at u (N,), as the loops compute them."""
    from robustbench_snn.kernels.loops import IF, SUBTRACT, backward_loop

    u, found = membranes[None].numpy(), torch.empty(1, len(membranes))
    zero, nothing = np.float32(0.0), np.empty((0, 0), np.float32)
    backward_loop(IF, False, SUBTRACT, True, False, surrogate.number)(
        np.ones_like(u), np.zeros_like(u[0]), u, nothing, *surrogate.numbers(), zero, zero, zero,
        found.numpy(), nothing, 0, 0, len(membranes),
    )  # fmt: skip
    return found[0]


@cache
def has_formula(number: int) -> bool:
    """Whether the loops compute this surrogate's slopes, and no bit of them differs from torch's on this machine."""
    if number not in (SIGMOID, ATAN, TRIANGLE):
        return False
    surrogate, values = BuiltIn(number, 2.7), torch.linspace(-60.0, 60.0, 1 << 14)
    return torch.equal(by_formula(surrogate, values), surrogate(values))
