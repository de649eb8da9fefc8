r"""The attentions of the family: three ways to let spikes look at each other.

All of them project tokens to queries, keys (and values) of spikes, mix them, and project the outcome:

======================  ===================================================================  ================
class                   mixing                                                               source
======================  ===================================================================  ================
SpikingSelfAttention    :math:`\mathrm{LIF}_{0.5}(s\, Q K^\top V)`                           arXiv:2209.15425
SpikeDrivenAttention    :math:`Q \odot \mathrm{LIF}_{0.5}(\sum_n K_n \odot V_n)`             arXiv:2307.01694
TokenQKAttention        :math:`\mathrm{LIF}_{0.5}(\sum_d Q_d) \odot K`                       arXiv:2403.16552
======================  ===================================================================  ================
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.backbones.layers import Projection
from robustbench_snn.model.neurons import NeuronConfig

ATTENTION_THRESHOLD = 0.5
"""The attention's neurons fire at half the threshold of the others."""

SCALE = 0.125
"""The family's fixed scale of Q K^T V, whatever the head's size."""


class Attention(nn.Module, ABC):
    """Queries, keys and values, their mixing and the projection of the outcome.

    Args:
        width: channels C.
        heads: number of heads; C is a multiple of it.
        neuron: type and constants of the neurons.
        membrane: shortcuts carry membrane potentials: the neurons stand at the entry (Spikingformer, SDT) instead
            of the exit (Spikformer, QKFormer), so that what is added to the shortcut is real-valued.
        bias: the projections to queries, keys and values have a bias.

    Shape:
        - tokens: (T, B, N, C)
        - returns: (T, B, N, C)
    """

    def __init__(self, width: int, heads: int, neuron: NeuronConfig, *, membrane: bool, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.entry = neuron.build() if membrane else nn.Identity()
        self.query = Projection(width, width, neuron, bias=bias)
        self.key = Projection(width, width, neuron, bias=bias)
        self.gate = neuron.build(threshold=ATTENTION_THRESHOLD)
        self.project = Projection(width, width, None if membrane else neuron)

    def split(self, tokens: Tensor) -> Tensor:
        """(T, B, N, C) to (T, B, heads, N, C / heads)."""
        size = tokens.shape[-1] // self.heads  # not -1, which an empty batch leaves open
        return tokens.reshape(*tokens.shape[:-1], self.heads, size).transpose(2, 3)

    def merge(self, tokens: Tensor) -> Tensor:
        """(T, B, heads, N, C / heads) back to (T, B, N, C)."""
        return tokens.transpose(2, 3).flatten(-2)


class ValuedAttention(Attention):
    """An attention of queries, keys and values.

    Shape:
        - tokens: (T, B, N, C)
        - to_key: (T, B, N, C), added to the keys' input current, or None
        - to_value: (T, B, N, C), added to the values' input current, or None
        - returns: (T, B, N, C)
    """

    def __init__(self, width: int, heads: int, neuron: NeuronConfig, *, membrane: bool, bias: bool) -> None:
        super().__init__(width, heads, neuron, membrane=membrane, bias=bias)
        self.value = Projection(width, width, neuron, bias=bias)

    @abstractmethod
    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Combines queries, keys and values, each (T, B, N, C), to (T, B, N, C)."""

    def forward(self, tokens: Tensor, to_key: Tensor | None = None, to_value: Tensor | None = None) -> Tensor:
        """Attends."""
        spikes = self.entry(tokens)
        mixed = self.mix(self.query(spikes), self.key(spikes, to_key), self.value(spikes, to_value))
        result: Tensor = self.project(mixed)
        return result


class SpikingSelfAttention(ValuedAttention):
    r"""SSA of Spikformer, without softmax: :math:`\mathrm{LIF}_{0.5}(s\, Q K^\top V)`, s = 0.125.

    The products of spikes are whole numbers, so that the cheaper of (Q K^T) V and Q (K^T V) gives the same result.
    """

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = self.split(query), self.split(key), self.split(value)
        tokens, size = q.shape[-2:]
        product = q @ (k.transpose(-2, -1) @ v) if size <= tokens else (q @ k.transpose(-2, -1)) @ v
        result: Tensor = self.gate(self.merge(product) * SCALE)
        return result


class SpikeDrivenAttention(ValuedAttention):
    r"""SDSA of the spike-driven transformer V1: :math:`Q \odot \mathrm{LIF}_{0.5}(\sum_n K_n \odot V_n)`.

    Everything is per channel, so that the number of heads changes nothing.
    """

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        gate: Tensor = self.gate((key * value).sum(2, keepdim=True))
        return query * gate


class SoftmaxAttention(ValuedAttention):
    r"""The attention of ordinary transformers, for ANN twins: :math:`\mathrm{softmax}(Q K^\top / \sqrt{d}) V`."""

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = self.split(query), self.split(key), self.split(value)
        result: Tensor = self.gate(self.merge(F.scaled_dot_product_attention(q, k, v)))
        return result


class TokenQKAttention(Attention):
    r"""QKTA of QKFormer, :math:`\mathrm{LIF}_{0.5}(\sum_d Q_d) \odot K`: in every head, queries pick the tokens."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Attends."""
        spikes = self.entry(tokens)
        passes = self.gate(self.split(self.query(spikes)).sum(-1, keepdim=True))
        mixed = self.merge(passes * self.split(self.key(spikes)))
        result: Tensor = self.project(mixed)
        return result
