"""One layer of neurons over all steps as one autograd Function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from robustbench_snn.kernels import native
from robustbench_snn.kernels.compiling import kernels
from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.layout import Layout
from robustbench_snn.kernels.native import unwatched
from robustbench_snn.kernels.slopes import BuiltIn


@dataclass(frozen=True)
class Elementwise:
    """A slope that follows from u alone, element by element.

    Attributes:
        slope: u of any shape to ds/du of the same shape.
    """

    slope: Callable[[Tensor], Tensor]

    def __call__(self, membrane: Tensor) -> Tensor:
        """ds/du of u."""
        with torch.enable_grad():  # a slope may itself be taken by a gradient
            return self.slope(membrane).detach().expand_as(membrane)


@dataclass(frozen=True)
class Stepwise:
    """Slopes of the caller's, in the order of the steps, asked in the forward pass: one may follow from those before.

    Attributes:
        slopes: u of all steps of a call (T, B, ...), contiguous, to ds/du of the same shape.
        by_sample: the same numbers sooner, where a neuron's place in its sample does not matter: the membranes before
            the reset (T, B, M), in whatever order they lie in memory, and the threshold, to ds/du (T, B, M), a tensor
            of its own, none of it negative: its signs are made to say who fired, where H is not needed otherwise.
    """

    slopes: Callable[[Tensor], Tensor]
    by_sample: Callable[[Tensor, float], Tensor] | None = None


Slopes = BuiltIn | Elementwise | Stepwise


@kernels
def _forward(dynamics: Dynamics, steps: int, repeated: bool, rested: bool) -> Callable[..., tuple[Tensor, ...]]:
    """Every set of constants, and every kind of arguments, has a kernel of its own."""

    def forward(currents: Tensor, membrane: Tensor, rate: Tensor | None) -> tuple[Tensor, ...]:
        return dynamics.forward(currents, membrane, rate, steps)

    return forward


@kernels
def _backward(
    dynamics: Dynamics, built_in: BuiltIn | None, unspiked: bool, unlasted: bool, rated: bool
) -> Callable[..., tuple[Tensor, ...]]:
    def backward(
        charges: Tensor, by_spikes: Tensor | None, by_last: Tensor | None, rate: Tensor | None, *given: Tensor
    ) -> tuple[Tensor, ...]:
        def slopes(membrane: Tensor, step: int) -> Tensor:
            return given[0][step] if built_in is None else built_in(membrane)

        currents, membrane, totals = dynamics.backward(by_spikes, by_last, charges, rate, slopes)
        return torch.stack(currents), membrane, *(totals if rated else ())

    return backward


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, membrane: Tensor, rate: Tensor | None, dynamics: Dynamics, slopes: Slopes
    ) -> tuple[Tensor, Tensor]:
        layout = Layout.of(currents, membrane)
        x, v = layout.flat(currents), layout.flat_step(membrane)
        spikes, last, charges = _steps(x, v, rate, dynamics, currents.shape[0])
        given, signed = [], False
        if isinstance(slopes, Stepwise):
            given = [_given(charges, dynamics, slopes, layout)]
            unasked = dynamics.detach_reset and not ctx.needs_input_grad[2]
            if slopes.by_sample is not None and unasked and native.runs(charges):
                native.sign(given[0], charges, dynamics.threshold)
                signed, charges = True, given.pop()  # a sign says who fired, and nothing else of H is asked
        ctx.dynamics, ctx.slopes, ctx.layout, ctx.signed = dynamics, slopes, layout, signed
        rated = (x, v) if ctx.needs_input_grad[2] else (None, None)
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
        dynamics, layout = ctx.dynamics, ctx.layout
        wanted = ctx.needs_input_grad
        with unwatched():
            spiked = None if by_spikes is None else layout.flat(by_spikes).expand_as(charges).contiguous()
            lasted = None if by_last is None else layout.flat_step(by_last)
            slopes = charges if ctx.signed else given[0] if given else ctx.slopes
            run = native.backward if native.runs(charges) else _plain_backward
            by_currents, by_first, totals = run(
                dynamics, spiked, lasted, charges, rate, slopes, rated=wanted[2], signed=ctx.signed
            )
            by_rate = dynamics.by_rate(list(totals), currents, membrane, charges) if wanted[2] else None
        return layout.whole(by_currents), layout.whole(by_first) if wanted[1] else None, by_rate, None, None


def _steps(
    currents: Tensor, membrane: Tensor, rate: Tensor | None, dynamics: Dynamics, steps: int, *, keeps: bool = True
) -> tuple[Tensor, ...]:
    """Spikes (T, N), the last membrane (N,) and H (T, N) of flat currents and membranes."""
    if native.runs(currents):
        return native.forward(dynamics, currents, membrane, rate, steps, keeps=keeps)
    kernel = _forward(dynamics, steps, currents.shape[0] == 1, membrane.ndim == 0)
    return kernel(currents, membrane, rate, steps=steps)


def _plain_backward(
    dynamics: Dynamics,
    by_spikes: Tensor | None,
    by_last: Tensor | None,
    charges: Tensor,
    rate: Tensor | None,
    slopes: Tensor | BuiltIn | Elementwise,
    *,
    rated: bool,
    signed: bool,
) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
    """See :func:`robustbench_snn.kernels.native.backward`."""
    if signed:
        assert isinstance(slopes, Tensor)
        charges, slopes = torch.where(slopes.signbit(), dynamics.threshold, -torch.inf), slopes.abs()
    if isinstance(slopes, Elementwise):
        slopes = torch.stack([slopes(charge - dynamics.threshold) for charge in charges])
    own, given = (slopes, ()) if isinstance(slopes, BuiltIn) else (None, (slopes,))
    kernel = _backward(dynamics, own, by_spikes is None, by_last is None, rated)
    by_currents, by_first, *totals = kernel(charges, by_spikes, by_last, rate, *given, steps=charges.shape[0])
    return by_currents, by_first, totals


def _given(charges: Tensor, dynamics: Dynamics, slopes: Stepwise, layout: Layout) -> Tensor:
    """Slopes (T, N) of H (T, N)."""
    if slopes.by_sample is not None:
        flat = slopes.by_sample(charges.view(len(charges), layout.shape[0], -1), dynamics.threshold)
        return flat.detach().reshape(charges.shape)
    membranes = layout.whole(charges - dynamics.threshold)
    found = slopes.slopes(membranes.contiguous()).detach()
    return layout.flat(found.expand(membranes.shape))


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
    given = currents, membrane, rate
    with unwatched():
        followed = torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in given)
        if followed or isinstance(slopes, Stepwise):
            spikes, last = _Layer.apply(currents, membrane, rate, dynamics, slopes)
            return spikes, last
        layout = Layout.of(currents, membrane)
        x, v = layout.flat(currents), layout.flat_step(membrane)
        spikes, last, _ = _steps(x, v, rate, dynamics, currents.shape[0], keeps=False)
        return layout.whole(spikes), layout.whole(last)
