"""The transformer block: attention and MLP, each beside a shortcut."""

from __future__ import annotations

from torch import Tensor, nn

from robustbench_snn.backbones.attention import Attention
from robustbench_snn.backbones.layers import Projection
from robustbench_snn.model.neurons import NeuronConfig


class MLP(nn.Module):
    """Two projections with a hidden layer ``ratio`` times as wide.

    Args:
        width: channels C.
        neuron: type and constants of the neurons.
        membrane: LIF-Linear-BN twice (Spikingformer, SDT) instead of Linear-BN-LIF twice (Spikformer, QKFormer).
        ratio: hidden channels over C.

    Shape:
        - tokens: (T, B, N, C)
        - returns: (T, B, N, C)
    """

    def __init__(self, width: int, neuron: NeuronConfig, *, membrane: bool, ratio: int = 4) -> None:
        super().__init__()
        self.entry = neuron.build() if membrane else nn.Identity()
        self.expand = Projection(width, ratio * width, neuron)
        self.contract = Projection(ratio * width, width, None if membrane else neuron)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps every token on its own."""
        result: Tensor = self.contract(self.expand(self.entry(tokens)))
        return result


class Block(nn.Module):
    """x + attention(x), then x + mlp(x).

    Shape:
        - tokens: (T, B, N, C)
        - returns: (T, B, N, C)
    """

    def __init__(self, attention: Attention, mlp: MLP) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = mlp

    def forward(self, tokens: Tensor) -> Tensor:
        """Runs the block over all steps."""
        tokens = tokens + self.attention(tokens)
        result: Tensor = tokens + self.mlp(tokens)
        return result
