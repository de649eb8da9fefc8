"""A batch norm whose backward pass in a frozen model costs two products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Frozen(nn.modules.batchnorm._BatchNorm):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch
        frozen = not self.training and not any(parameter.requires_grad for parameter in self.parameters())
        if frozen and self.track_running_stats and input.requires_grad and torch.is_grad_enabled():
            self._check_input_dim(input)  # type: ignore[no-untyped-call]
            result: Tensor = _Affine.apply(input, self)
            return result
        return super().forward(input)


class BatchNorm2d(_Frozen, nn.BatchNorm2d):
    """torch's own; where its weights are frozen and only the input asks for a gradient, a cheaper way to it.

    torch keeps the input, and sums over all samples what the gradients of its weights would need, even where nobody
    asks for them. Output and gradient are torch's to the bit.

    Shape:
        - input: (N, C, H, W)
        - returns: (N, C, H, W)
    """


class BatchNorm1d(_Frozen, nn.BatchNorm1d):
    """The same for tokens, where it spares memory rather than time.

    Shape:
        - input: (N, C) or (N, C, L)
        - returns: as the input
    """


class _Affine(torch.autograd.Function):
    """With fixed statistics and weights, a batch norm is an affine map of its input alone."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, norm: nn.modules.batchnorm._BatchNorm) -> Tensor:
        ctx.save_for_backward(norm.running_var, norm.weight)
        ctx.eps = norm.eps
        return F.batch_norm(inputs, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        variance, weight = ctx.saved_tensors
        # torch's own rounding of the slope, and its order of the two products
        slope = (variance.double() + ctx.eps).rsqrt().to(gradients[0].dtype)
        shape = -1, *[1] * (gradients[0].ndim - 2)
        gradient = gradients[0] * slope.reshape(shape)
        return gradient if weight is None else gradient.mul_(weight.reshape(shape)), None
