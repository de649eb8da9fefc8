"""The two layers that every spiking transformer is made of: a projection of tokens and a stage of the stem.

Tokens are (T, B, N, C), maps (T, B, C, H, W). What has no memory runs once over all T * B samples; only the neurons
see the time axis.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.model.frozen_norm import BatchNorm1d, BatchNorm2d
from robustbench_snn.model.max_pool import MaxPool2d
from robustbench_snn.model.neurons import NeuronConfig

Depth = Annotated[int, Field(ge=1, le=1000)]
Width = Annotated[int, Field(ge=1, le=65_536)]
"""Channels or heads; no published model comes near."""
PoolOrder = Literal["after", "before"]
"""Where a stage pools: ``after`` its neurons (LIF then max-pool) or ``before`` them (max-pool then LIF)."""


class Projection(nn.Module):
    """Linear, batch norm, neurons: the same C_in x C_out matrix on every token.

    The authors write it as a linear layer or as a 1x1 convolution; both are this one matrix product, and a linear
    layer over tokens with the channels last needs no transposition around its batch norm.

    Args:
        inputs: channels C_in.
        outputs: channels C_out.
        neuron: the neurons at the end; None ends with the batch norm (a membrane potential, real-valued).
        bias: whether the linear layer has a bias (the batch norm makes it redundant).

    Shape:
        - tokens: (T, B, N, C_in)
        - drive: (T, B, N, C_out), added before the batch norm, or None
        - returns: (T, B, N, C_out)
    """

    def __init__(self, inputs: int, outputs: int, neuron: NeuronConfig | None, *, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.norm = BatchNorm1d(outputs)
        self.neuron = nn.Identity() if neuron is None else neuron.build()

    def forward(self, tokens: Tensor, drive: Tensor | None = None) -> Tensor:
        """Projects tokens; ``drive`` adds what another projection of other tokens gave."""
        current: Tensor = self.linear(tokens)
        if drive is not None:
            current = current + drive
        normed: Tensor = self.norm(current.flatten(0, 2)).view(current.shape)
        spikes: Tensor = self.neuron(normed)
        return spikes


class ConvStage(nn.Module):
    """Convolution, batch norm, neurons and, if it downsamples, max-pool: one stage of the stem.

    Args:
        inputs: channels C_in.
        outputs: channels C_out.
        neuron: the neurons at the end; None leaves the membrane potential.
        pool: halve height and width by a 3x3 max-pool of stride 2.
        order: pool after the neurons or before them; with no neurons there is no difference.
        kernel: size of the convolution, which keeps height and width at stride 1.
        stride: of the convolution.

    Shape:
        - maps: (T, B, C_in, H, W)
        - returns: (T, B, C_out, H', W'), H' = ceil(H / 2) if it pools or strides
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        neuron: NeuronConfig | None,
        *,
        pool: bool = False,
        order: PoolOrder = "after",
        kernel: int = 3,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = BatchNorm2d(outputs)
        self.pool_before = max_pool(pool and order == "before")
        self.neuron = nn.Identity() if neuron is None else neuron.build()
        self.pool_after = max_pool(pool and order == "after")

    def forward(self, maps: Tensor) -> Tensor:
        """Runs the stage over all steps."""
        membrane: Tensor = self.pool_before(self.norm(self.conv(as_samples(maps))))
        spikes: Tensor = self.neuron(membrane.unflatten(0, maps.shape[:2]))
        return over_steps(self.pool_after, spikes)


def max_pool(active: bool = True) -> nn.Module:
    """The family's max-pool, 3x3 with stride 2: (H, W) to (ceil(H/2), ceil(W/2)); an identity if not active."""
    return MaxPool2d(3, stride=2, padding=1) if active else nn.Identity()


def over_steps(layer: nn.Module, maps: Tensor) -> Tensor:
    """Applies a layer without memory to (T, B, ...) maps, all steps at once."""
    if isinstance(layer, nn.Identity):
        return maps
    result: Tensor = layer(as_samples(maps)).unflatten(0, maps.shape[:2])
    return result


def as_samples(maps: Tensor) -> Tensor:
    """Maps (T, B, C, H, W) as T * B samples (T * B, C, H, W), on a CPU with the channels last in memory.

    oneDNN convolves, and torch pools and normalises, such maps up to three times as fast as others.
    """
    samples = maps.flatten(0, 1)
    return samples.contiguous(memory_format=torch.channels_last) if samples.device.type == "cpu" else samples


def to_tokens(maps: Tensor) -> Tensor:
    """Maps (T, B, C, H, W) to tokens (T, B, H * W, C), row by row."""
    return maps.flatten(3).transpose(2, 3).contiguous()


def to_maps(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (T, B, N, C) back to maps (T, B, C, H, W) with N = H * W."""
    return tokens.transpose(2, 3).reshape(*tokens.shape[:2], tokens.shape[3], *grid)


def truncated_normal(*modules: nn.Module) -> None:
    """Draws weights from a normal of deviation 0.02, cut at two units, and sets biases to zero."""
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    torch.nn.init.zeros_(layer.bias)
