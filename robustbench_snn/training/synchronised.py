"""Batch norms whose statistics are those of a batch that several processes share.

The algorithm of torch's ``SyncBatchNorm``, which runs on GPUs alone; this one runs wherever ``torch.distributed`` does,
so that what is tested on CPUs is what trains on GPUs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise(model: nn.Module) -> None:
    """Lets every batch norm of a model, in train mode, take its statistics over all processes; names stay the same.

    A subclass keeps what it does around torch's own forward pass. ``SyncBatchNorm`` stays as it is.
    """
    for module in model.modules():
        kind = type(module)
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm | _Synchronised):
            module.__class__ = type(kind.__name__, (kind, _Synchronised), {})


class _Synchronised(_BatchNorm):
    """Stands between the classes of a batch norm and torch's own forward pass, which it replaces in train mode."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        result: Tensor
        result, mean, variance, count = _Normalised.apply(input, self.weight, self.bias, self.eps)
        if self.training and self.track_running_stats:
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), share)
        return result


class _Normalised(torch.autograd.Function):
    """Normalises by mean and variance over all processes' inputs (N, C, ...), in float32 at least."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = inputs.float() if inputs.dtype in (torch.float16, torch.bfloat16) else inputs
        axes = [0, *range(2, inputs.ndim)]
        variance, mean = torch.var_mean(values, axes, correction=0)
        # Each process fills one row of three tables and zeros elsewhere: their sum is everybody's statistics.
        table = values.new_zeros(dist.get_world_size(), 3, len(mean))
        count = torch.full_like(mean, values.numel() // len(mean))
        table[dist.get_rank()] = torch.stack([count, mean, variance])
        dist.all_reduce(table)
        counts, means, variances = table.unbind(1)
        count = counts.sum(0)
        mean = (counts * means).sum(0) / count
        variance = (counts * (variances + (means - mean).square())).sum(0) / count
        ctx.save_for_backward(inputs, weight, bias, mean, (variance + eps).rsqrt(), count)
        result = F.batch_norm(values, mean, variance, weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance, count)
        return result.to(inputs.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        inputs, weight, bias, mean, scale, count = ctx.saved_tensors
        axes = [0, *range(2, inputs.ndim)]
        shape = -1, *[1] * (inputs.ndim - 2)
        gradient = gradients[0].to(mean.dtype)
        normalised = (inputs.to(mean.dtype) - mean.reshape(shape)) * scale.reshape(shape)
        own = torch.stack([gradient.sum(axes), (gradient * normalised).sum(axes)])
        sums = own.clone()
        dist.all_reduce(sums)
        offset, slope = (sums / count).unbind()
        slopes = scale if weight is None else scale * weight
        found = slopes.reshape(shape) * (gradient - offset.reshape(shape) - normalised * slope.reshape(shape))
        # Those of the parameters stay of this share: they are averaged with all other parameters' gradients.
        by_weight = None if weight is None else own[1].to(weight.dtype)
        by_bias = None if bias is None else own[0].to(bias.dtype)
        return found.to(inputs.dtype), by_weight, by_bias, None
