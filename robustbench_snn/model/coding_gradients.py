"""Backward passes for codings that have none: straight-through and BPDA.

A coding that rounds, compares or draws has a zero derivative almost everywhere. An attack that follows it stands
still, which looks like robustness and is none (gradient masking, Athalye et al., 2018, arXiv:1802.00420). Each such
encoder therefore declares what its backward pass uses instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

Backward = Literal["straight-through", "bpda", "none"]
"""``straight-through``: every frame's derivative by its pixel is 1 (Bengio et al., 2013, arXiv:1308.3432);
``bpda``: that of a smooth substitute (Athalye et al., 2018, arXiv:1802.00420);
``none``: the true one, zero, only to show what gradient masking looks like."""


class _Replaced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, substitute: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def replace_gradient(value: Tensor, substitute: Tensor) -> Tensor:
    """``value`` in the forward pass, to the bit; the gradient of ``substitute`` in the backward pass.

    The usual ``substitute + (value - substitute).detach()`` is off by a rounding error, and a spike of 0.99999994
    is no spike.

    Args:
        value: what is returned, any shape.
        substitute: what is differentiated, the same shape and dtype.
    """
    if value.shape != substitute.shape:
        raise ValueError(f"value {tuple(value.shape)} and substitute {tuple(substitute.shape)} differ in shape")
    replaced: Tensor = _Replaced.apply(value.to(substitute.dtype).detach(), substitute)
    return replaced


def coded_with_backward(
    coded: Tensor, pixels: Tensor, backward: Backward, smooth: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Frames of a coding, with the declared backward.

    Args:
        coded: the frames, (T, B, C, H, W).
        pixels: what was coded, (B, C, H, W).
        backward: which backward (see :data:`Backward`).
        smooth: the substitute of BPDA, pixels to frames.

    Raises:
        ValueError: for ``bpda`` without a substitute.
    """
    match backward:
        case "straight-through":
            return replace_gradient(coded, pixels.expand_as(coded))
        case "bpda":
            if smooth is None:
                raise ValueError("backward 'bpda' needs a smooth substitute")
            return replace_gradient(coded, smooth(pixels))
        case "none":
            return coded.detach().to(pixels.dtype)


def blurred(code: Callable[[Tensor], Tensor], width: float) -> Callable[[Tensor], Tensor]:
    r"""The code averaged over the pixel's neighbourhood, as a substitute to differentiate.

    .. math:: g(x) = \frac{1}{2w} \int_{x-w}^{x+w} c(u)\, du, \quad g'(x) = \frac{c(x+w) - c(x-w)}{2w}

    The derivative is a difference of the code itself, so it holds for any code of single pixels, however many
    steps it jumps over. At the borders of [0, 1] the difference is one-sided.

    Args:
        code: pixels (B, C, H, W) in [0, 1] to frames (T, B, C, H, W).
        width: w, above 0, in units of the pixel range.
    """

    def substitute(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            low, high = (pixels - width).clamp(0.0, 1.0), (pixels + width).clamp(0.0, 1.0)
            slope = (code(high) - code(low)) / (high - low)
        return slope * pixels

    return substitute
