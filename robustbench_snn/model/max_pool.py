"""A max-pool that keeps for its backward pass where its maxima were, and not what it pooled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class MaxPool2d(nn.MaxPool2d):
    """torch's own, output and gradient to the bit, at a third of what torch's keeps where the stride is 2.

    Shape:
        - input: (N, C, H, W)
        - returns: (N, C, H', W')
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch
        lean = input.requires_grad and torch.is_grad_enabled() and input.ndim == 4 and not self.return_indices
        window = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        result: Tensor = _Pool.apply(input, *window) if lean else super().forward(input)
        return result


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, *window: Any) -> Tensor:
        both: tuple[Tensor, Tensor] = F.max_pool2d(inputs, *window, return_indices=True)
        pooled, places = both
        ctx.save_for_backward(places)
        ctx.window, ctx.shape, ctx.strides = window, inputs.shape, inputs.stride()
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        kernel, *others = ctx.window
        stand_in = gradients[0].new_empty_strided(ctx.shape, ctx.strides)  # asked for its shape and layout only
        result = torch.ops.aten.max_pool2d_with_indices_backward(
            gradients[0], stand_in, *_pairs(kernel, *others[:3]), others[3], places
        )
        return result, None, None, None, None, None


def _pairs(*sizes: int | tuple[int, int]) -> list[list[int]]:
    return [[size, size] if isinstance(size, int) else list(size) for size in sizes]
