"""LIF neurons as people write them by hand; each fires as SpikingJelly's LIF does: tau 2, threshold 1, reset to 0."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class HandLIF(nn.Module):
    """Membranes over all steps (T, B, ...), from rest; a subclass says how it fires."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def fire(self, u: Tensor) -> Tensor:
        """Spikes of u = membrane - threshold, same shape."""
        raise NotImplementedError

    def forward(self, drive: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(drive[0]), []
        for x in drive:
            v = v + (x - v) / 2.0
            spike = self.fire(v - 1.0)
            v = v * (1.0 - spike.detach())
            spikes.append(spike)
        return torch.stack(spikes)


class Triangle(torch.autograd.Function):
    """Heaviside, with a triangle as its derivative."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 0).to(u)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        slope: Tensor = grads[0] * (1.0 - u.abs()).clamp_min(0.0)
        return slope


class ATan(torch.autograd.Function):
    """Heaviside of membrane and threshold, in the newer style of autograd functions."""

    @staticmethod
    def forward(membrane: Tensor, threshold: float) -> Tensor:
        return (membrane >= threshold).to(membrane)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        membrane, ctx.threshold = inputs
        ctx.save_for_backward(membrane)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (membrane,) = ctx.saved_tensors
        return grads[0] / (1.0 + (torch.pi * (membrane - ctx.threshold)) ** 2), None


class HandTriangle(HandLIF):
    def fire(self, u: Tensor) -> Tensor:
        spikes: Tensor = Triangle.apply(u)
        return spikes


class HandATan(HandLIF):
    """The membrane is a part of the module, set to rest at the start of every forward."""

    def forward(self, drive: Tensor) -> Tensor:
        self.v = torch.zeros_like(drive[0])
        return torch.stack([self.step(x) for x in drive])

    def step(self, x: Tensor) -> Tensor:
        self.v = self.v + (x - self.v) / 2.0
        spike: Tensor = ATan.apply(self.v, 1.0)
        self.v = torch.where(spike.detach() > 0, torch.zeros_like(self.v), self.v)
        return spike


class Detached(HandLIF):
    """The surrogate by detaching: sigmoid's gradient under a hard value."""

    def fire(self, u: Tensor) -> Tensor:
        soft = torch.sigmoid(4.0 * u)
        return ((u >= 0).to(u) - soft).detach() + soft


class SoftReset(HandLIF):
    """The threshold is subtracted at a spike, inside the graph."""

    def forward(self, drive: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(drive[0]), []
        for x in drive:
            v = 0.5 * v + x
            spike: Tensor = Triangle.apply(v - 1.0)
            v = v - spike
            spikes.append(spike)
        return torch.stack(spikes)
