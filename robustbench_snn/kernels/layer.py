"""One layer of neurons over all steps as one autograd Function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly._ops.surrogate import _surrogate_gradient  # no public name: the formulas that training runs on
from torch import Tensor
from torch.autograd.function import once_differentiable

from robustbench_snn.kernels.compiling import kernels
from robustbench_snn.kernels.dynamics import Dynamics, Slope


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
    """

    slope: Slope
    ahead: bool


Slopes = BuiltIn | Stepwise


@kernels
def _forward(dynamics: Dynamics, steps: int, pattern: tuple[bool, ...]) -> Callable[..., tuple[Tensor, ...]]:
    def forward(currents: Tensor, membrane: Tensor, rate: Tensor | None) -> tuple[Tensor, ...]:
        return dynamics.forward(currents, membrane, rate, steps)

    return forward


@kernels
def _backward(
    dynamics: Dynamics, steps: int, built_in: BuiltIn | None, totals: bool, pattern: tuple[bool, ...]
) -> Callable[..., tuple[Tensor, ...]]:
    def backward(
        charges: Tensor, by_spikes: Tensor | None, by_membrane: Tensor | None, rate: Tensor | None, given: Tensor | None
    ) -> tuple[Tensor, ...]:
        slopes: Slope = built_in or (lambda membrane, step: given[step])  # type: ignore[index]
        found = dynamics.backward(by_spikes, by_membrane, charges, rate, slopes)
        return found if totals else found[:2]

    return backward


@dataclass(frozen=True)
class _Layout:
    """How values (T, B, ...) lie in memory as (T, N): in order, or with the channels last, as SpikingJelly's own."""

    shape: torch.Size
    order: tuple[int, ...]

    @classmethod
    def of(cls, values: Tensor) -> _Layout:
        last = values.ndim == 5 and not values[0].is_contiguous() and values[0].is_contiguous(memory_format=_LAST)
        return cls(values.shape, (0, 2, 3, 1) if last else tuple(range(values.ndim - 1)))

    def flat(self, values: Tensor) -> Tensor:
        """(T, B, ...) to (T, N), contiguous; steps that share their memory become one row."""
        values = values[:1] if values.stride(0) == 0 else values
        return values.permute(0, *(place + 1 for place in self.order)).reshape(len(values), -1).contiguous()

    def flat_step(self, values: Tensor) -> Tensor:
        """(B, ...) to (N,), contiguous; a scalar stays."""
        return values.permute(self.order).reshape(-1).contiguous() if values.ndim or not self.order else values

    def whole(self, flat: Tensor) -> Tensor:
        """(T, N) to (T, B, ...), or (N,) to (B, ...): the same memory, but no view, which could not be changed."""
        lead = flat.shape[:-1]
        shape = self.shape[1:]
        strides = dict(zip(self.order, _strides([shape[place] for place in self.order]), strict=True))
        size = (*lead, *shape)
        stride = (*flat.stride()[:-1], *(strides[place] for place in range(len(shape))))
        return flat.new_empty(0).set_(flat.untyped_storage(), flat.storage_offset(), size, stride)


_LAST = torch.channels_last


def _strides(shape: list[int]) -> list[int]:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return strides[::-1][: len(shape)]


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, membrane: Tensor, rate: Tensor | None, dynamics: Dynamics, slopes: Slopes
    ) -> tuple[Tensor, Tensor]:
        layout, steps = _Layout.of(currents), len(currents)
        x, v = layout.flat(currents), layout.flat_step(membrane)
        kernel = _forward(dynamics, steps, (len(x) > 1, v.ndim > 0))
        spikes, last, charges = kernel(x, v, rate, steps=steps)
        given = None
        if isinstance(slopes, Stepwise) and slopes.ahead:
            given = _given(charges, dynamics, slopes, layout)
        if any(ctx.needs_input_grad):
            ctx.dynamics, ctx.slopes, ctx.layout = dynamics, slopes, layout
            ctx.shapes = currents.shape, membrane.shape
            rated = (x, v) if ctx.needs_input_grad[2] else (None, None)
            ctx.save_for_backward(charges, rate, given, *rated)
            ctx.set_materialize_grads(False)
        return layout.whole(spikes), layout.whole(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        if grads[0] is None and grads[1] is None:
            return None, None, None, None, None
        charges, rate, given, currents, membrane = ctx.saved_tensors
        dynamics, slopes, layout = ctx.dynamics, ctx.slopes, ctx.layout
        with unwatched():
            if isinstance(slopes, Stepwise) and given is None:
                given = _given(charges, dynamics, slopes, layout)
            by_spikes = None if grads[0] is None else layout.flat(grads[0]).expand_as(charges).contiguous()
            by_membrane = None if grads[1] is None else layout.flat_step(grads[1])
            arguments = charges, by_spikes, by_membrane, rate, given
            built_in = slopes if isinstance(slopes, BuiltIn) else None
            rated = ctx.needs_input_grad[2]
            kernel = _backward(dynamics, len(charges), built_in, rated, tuple(value is None for value in arguments))
            by_currents, by_first, *totals = kernel(*arguments, steps=len(charges))
            by_rate = dynamics.by_rate(*totals, currents, membrane, charges) if rated else None
            wanted = ctx.needs_input_grad
            return (
                layout.whole(by_currents) if wanted[0] else None,
                layout.whole(by_first) if wanted[1] else None,
                by_rate,
                None,
                None,
            )


def _given(charges: Tensor, dynamics: Dynamics, slopes: Stepwise, layout: _Layout) -> Tensor:
    """Slopes (T, N) of H (T, N)."""
    wide = layout.whole(charges)
    with torch.enable_grad():  # a slope may itself be taken by a gradient
        found = [slopes.slope(charged - dynamics.threshold, step).detach() for step, charged in enumerate(wide)]
    return torch.stack([layout.flat_step(slope.expand_as(wide[0])) for slope in found])


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
