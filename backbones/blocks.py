"""The transformer block: attention and MLP, each beside a shortcut."""

from __future__ import annotations

from torch import Tensor, nn

from robustbench_snn.backbones.attention import Attention
from robustbench_snn.backbones.layers import Projection
from robustbench_snn.backbones.shape import Shape
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


def blocks(attention: type[Attention], shape: Shape, *, membrane: bool = False, bias: bool = False) -> nn.ModuleList:
    """``shape.depth`` blocks of ``shape.width`` channels, all with the same kind of attention.

    Args:
        attention: class of the attention.
        shape: depth, width, heads and neurons.
        membrane: shortcuts carry membrane potentials instead of spikes, see
            :class:`~robustbench_snn.backbones.attention.Attention`.
        bias: the projections to queries, keys and values have a bias.
    """
    width, neuron = shape.width, shape.neuron
    return nn.ModuleList(
        Block(
            attention(width, shape.heads, neuron, membrane=membrane, bias=bias), MLP(width, neuron, membrane=membrane)
        )
        for _ in range(shape.depth)
    )
