"""One layer of neurons over all steps as one autograd Function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly._ops.surrogate import _surrogate_gradient  # no public name: the formulas that training runs on
from torch import Tensor
from torch.autograd.function import once_differentiable

from robustbench_snn.kernels.compiling import kernels
from robustbench_snn.kernels.dynamics import Dynamics, Slope
from robustbench_snn.kernels.layout import Layout


@dataclass(frozen=True)
class BuiltIn:
    """A surrogate of SpikingJelly, computed inside the backward kernel.

    Attributes:
        number: its place in SpikingJelly's list.
        alpha: its sharpness.
    """

    number: int
    alpha: float

    def __call__(self, membrane: Tensor, step: int) -> Tensor:
        """ds/du of u."""
        slope: Tensor = _surrogate_gradient(membrane, self.alpha, self.number)
        return slope


@dataclass(frozen=True)
class Stepwise:
    """Slopes of the caller's, a step at a time.

    Attributes:
        slope: u (B, ...) and the step, counted from 0 in each call of the layer, to ds/du of the same shape.
        ahead: asked in the forward pass, in the order of the steps, for it keeps something from one to the next;
            else in the backward pass, which keeps less.
        together: u of all steps (T, B, ...), contiguous, to the slopes of each step, [(B, ...)], where that is faster.
    """

    slope: Slope
    ahead: bool
    together: Callable[[Tensor], Sequence[Tensor]] | None = None

    def __call__(self, membranes: Tensor) -> list[Tensor]:
        """Slopes of each step, [(B, ...)], of u of all steps (T, B, ...)."""
        with torch.enable_grad():  # a slope may itself be taken by a gradient
            if self.together is not None and membranes.is_contiguous():
                return [slope.detach() for slope in self.together(membranes)]
            return [self.slope(membrane, step).detach() for step, membrane in enumerate(membranes)]


Slopes = BuiltIn | Stepwise


@kernels
def _forward(dynamics: Dynamics, steps: int, repeated: bool, rested: bool) -> Callable[..., tuple[Tensor, ...]]:
    """Every set of constants, and every kind of arguments, has a kernel of its own."""

    def forward(currents: Tensor, membrane: Tensor, rate: Tensor | None) -> tuple[Tensor, ...]:
        return dynamics.forward(currents, membrane, rate, steps)

    return forward


@kernels
def _backward(
    dynamics: Dynamics, built_in: BuiltIn | None, unspiked: bool, unlasted: bool, first: bool, rated: bool
) -> Callable[..., tuple[Tensor, ...]]:
    def backward(
        charges: Tensor, by_spikes: Tensor | None, by_last: Tensor | None, rate: Tensor | None, *given: Tensor
    ) -> tuple[Tensor, ...]:
        slopes: Slope = built_in or (lambda membrane, step: given[step])
        currents, membrane, totals = dynamics.backward(by_spikes, by_last, charges, rate, slopes)
        return torch.stack(currents), *((membrane,) if first else ()), *(totals if rated else ())

    return backward


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, membrane: Tensor, rate: Tensor | None, dynamics: Dynamics, slopes: Slopes
    ) -> tuple[Tensor, Tensor]:
        layout = Layout.of(currents, membrane)
        steps, x, v = currents.shape[0], layout.flat(currents), layout.flat_step(membrane)
        spikes, last, charges = _forward(dynamics, steps, x.shape[0] == 1, v.ndim == 0)(x, v, rate, steps=steps)
        given: list[Tensor] = []
        if isinstance(slopes, Stepwise) and slopes.ahead:
            given = _given(charges, dynamics, slopes, layout)
        wanted = ctx.needs_input_grad
        if any(wanted):
            ctx.dynamics, ctx.slopes, ctx.layout = dynamics, slopes, layout
            rated = (x, v) if wanted[2] else (None, None)
            ctx.save_for_backward(charges, rate, *rated, *given)
            ctx.set_materialize_grads(False)
        return layout.whole(spikes), layout.whole(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        by_spikes, by_last = grads
        if by_spikes is None and by_last is None:
            return None, None, None, None, None
        charges, rate, currents, membrane, *given = ctx.saved_tensors
        dynamics, slopes, layout = ctx.dynamics, ctx.slopes, ctx.layout
        wanted = ctx.needs_input_grad
        with unwatched():
            if isinstance(slopes, Stepwise) and not given:
                given = _given(charges, dynamics, slopes, layout)
            spiked = None if by_spikes is None else layout.flat(by_spikes).expand_as(charges).contiguous()
            lasted = None if by_last is None else layout.flat_step(by_last)
            built_in = slopes if isinstance(slopes, BuiltIn) else None
            kernel = _backward(dynamics, built_in, spiked is None, lasted is None, wanted[1], wanted[2])
            found = list(kernel(charges, spiked, lasted, rate, *given, steps=charges.shape[0]))
            by_currents = layout.whole(found.pop(0))
            by_first = layout.whole(found.pop(0)) if wanted[1] else None
            by_rate = dynamics.by_rate(found, currents, membrane, charges) if wanted[2] else None
        return by_currents, by_first, by_rate, None, None


def _given(charges: Tensor, dynamics: Dynamics, slopes: Stepwise, layout: Layout) -> list[Tensor]:
    """Slopes of each step, [(N,)], of H (T, N)."""
    found = slopes(layout.whole(charges - dynamics.threshold))
    return [layout.flat_step(slope.expand(layout.shape)) for slope in found]


unwatched = torch._C.DisableTorchFunction
"""Inside, no function mode sees what is done: a slope is a constant, also where detach is passed through."""


def run(
    currents: Tensor, membrane: Tensor, rate: Tensor | None, dynamics: Dynamics, slopes: Slopes
) -> tuple[Tensor, Tensor]:
    """Runs a layer of neurons; its backward pass keeps H alone, and slopes that were asked for ahead.

    Args:
        currents: (T, B, ...), float32, at least one step; in memory in order or with the channels last, else copied.
        membrane: (B, ...) before the first step, or a scalar without a gradient.
        rate: 1 / tau of PLIF, a scalar; its gradient takes the currents to be kept too.
        dynamics: the layer's constants.
        slopes: what stands for the derivative of a spike.

    Returns:
        Spikes (T, B, ...), laid out as the currents, and the membrane after the last step, (B, ...).
    """
    with unwatched():
        spikes, last = _Layer.apply(currents, membrane, rate, dynamics, slopes)
    return spikes, last
