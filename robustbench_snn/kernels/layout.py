"""Values of any number of dimensions as rows of neurons, one a step, without a copy where memory allows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How values (T, B, ...) lie in memory as (T, N): in order, or, for (T, B, C, H, W), with the channels last.

    These two are what SpikingJelly's own code hands on.

    Attributes:
        shape: (B, ...).
        order: the dimensions of a step, as they lie in memory; None where they lie in order.
    """

    shape: torch.Size
    order: tuple[int, ...] | None

    @classmethod
    def of(cls, currents: Tensor, membrane: Tensor) -> Layout:
        """The layout of currents (T, B, ...); a membrane (B, ...) that is there already decides, as in torch's sums."""
        step = membrane if membrane.ndim else currents[0]
        last = step.ndim == 4 and not step.is_contiguous() and step.is_contiguous(memory_format=torch.channels_last)
        return cls(step.shape, (0, 2, 3, 1) if last else None)

    def flat(self, values: Tensor) -> Tensor:
        """(T, B, ...) to (T, N), contiguous; steps that share their memory become one row."""
        values = values[:1] if values.stride(0) == 0 else values
        if self.order is not None:
            values = values.permute(0, *(place + 1 for place in self.order))
        return values.reshape(values.shape[0], -1).contiguous()

    def flat_step(self, values: Tensor) -> Tensor:
        """(B, ...) to (N,), contiguous; a scalar stays."""
        if values.ndim == 0:
            return values
        return (values if self.order is None else values.permute(self.order)).reshape(-1).contiguous()

    def whole(self, flat: Tensor) -> Tensor:
        """(T, N) to (T, B, ...), or (N,) to (B, ...), in the same memory, but no view: it may be changed in place."""
        if self.order is None:
            return flat.resize_(*flat.shape[:-1], *self.shape)
        inner = torch.empty([self.shape[place] for place in self.order], device="meta").stride()
        strides = [inner[self.order.index(place)] for place in range(len(self.shape))]
        size, stride = (*flat.shape[:-1], *self.shape), (*flat.stride()[:-1], *strides)
        return flat.new_empty(0).set_(flat.untyped_storage(), flat.storage_offset(), size, stride)
