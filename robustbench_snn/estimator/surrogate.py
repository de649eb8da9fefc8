"""Spikes with a replaced derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor, nn

from robustbench_snn.kernels.layer import Elementwise, Stepwise
from robustbench_snn.kernels.native import unwatched
from robustbench_snn.model.fusing import GivesSlopes


class _Spike(torch.autograd.Function):
    """Heaviside forward, a given slope backward."""

    @staticmethod
    def forward(ctx: Any, membrane: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return (membrane >= 0).to(membrane.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None


class ReplacedSpike(nn.Module, GivesSlopes):
    """Fires where u >= 0, as every surrogate of SpikingJelly does, with the slope of the caller's choice.

    Args:
        derivative: u to what stands for ds/du, elementwise shape.
    """

    spiking = True  # as SpikingJelly's own say of themselves

    def __init__(self, derivative: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.derivative = derivative

    def forward(self, membrane: Tensor) -> Tensor:
        """Spikes of u = membrane potential - threshold."""
        with unwatched():
            slope = self.derivative(membrane.detach())
        spikes: Tensor = _Spike.apply(membrane, slope)
        return spikes

    def slopes(self) -> Elementwise | None:
        """See :class:`robustbench_snn.model.fusing.GivesSlopes`."""
        return Elementwise(self.derivative) if type(self) is ReplacedSpike else None


class SteppedSpike(MemoryModule, GivesSlopes):  # type: ignore[misc]
    """Like :class:`ReplacedSpike`, where the slope depends on the step; it counts steps since the last reset.

    Args:
        derivative: u (B, ...) and the step to the slope.
        by_sample: membranes of several steps (T, B, M), the threshold, and the first step to their slopes, where
            a neuron's place in its sample does not matter: the same numbers sooner.
    """

    spiking = True
    step: int

    def __init__(
        self,
        derivative: Callable[[Tensor, int], Tensor],
        by_sample: Callable[[Tensor, float, int], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.derivative = derivative
        self.by_sample = by_sample
        self.register_memory("step", 0)  # SpikingJelly's reset puts it back

    def forward(self, membrane: Tensor) -> Tensor:
        """Spikes of u at the next step."""
        with unwatched():
            slope = self._next(membrane.detach())
        spikes: Tensor = _Spike.apply(membrane, slope)
        return spikes

    def slopes(self) -> Stepwise | None:
        """See :class:`robustbench_snn.model.fusing.GivesSlopes`."""
        if type(self) is not SteppedSpike:
            return None
        return Stepwise(self._all_next, None if self.by_sample is None else self._all_by_sample)

    def _all_next(self, membranes: Tensor) -> Tensor:
        with torch.enable_grad():  # a slope may itself be taken by a gradient
            return torch.stack([self._next(membrane).detach().expand_as(membrane) for membrane in membranes])

    def _all_by_sample(self, membranes: Tensor, threshold: float) -> Tensor:
        assert self.by_sample is not None
        self.step += len(membranes)
        return self.by_sample(membranes, threshold, self.step - len(membranes))

    def _next(self, membrane: Tensor) -> Tensor:
        self.step += 1
        return self.derivative(membrane, self.step - 1)


def own_slope(layer: nn.Module) -> Callable[[Tensor, int], Tensor]:
    """The slope that a neuron's surrogate function has at training; ATan(2) outside of such neurons."""
    function = getattr(layer, "surrogate_function", None)
    if not callable(function):
        return lambda membrane, step: 1.0 / (1.0 + (math.pi * membrane).square())

    def slope(membrane: Tensor, step: int) -> Tensor:
        leaf = membrane.detach().requires_grad_()
        with torch.enable_grad():
            (found,) = torch.autograd.grad(function(leaf).sum(), leaf)
        return found

    return slope
