"""Attentions against sums written out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.backbones.attention import (
    SoftmaxAttention,
    SpikeDrivenAttention,
    SpikingSelfAttention,
    TokenQKAttention,
    ValuedAttention,
)
from robustbench_snn.model.neurons import NeuronConfig

LIF = NeuronConfig()


def build(kind: type[ValuedAttention], width: int, heads: int) -> ValuedAttention:
    return kind(width, heads, LIF, membrane=False, bias=False)


def spikes(*shape: int, seed: int = 0, rate: float = 0.5) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < rate).float()


def test_ssa_of_two_tokens_by_hand() -> None:
    """One head of two channels, T = 1, B = 1, N = 2: every number on paper."""
    q = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    k = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    v = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    # q k^T = [[1, 0], [2, 1]]; times v = [[1, 0], [3, 1]]; times 0.125 = [[.125, 0], [.375, .125]]
    attention = build(SpikingSelfAttention, 2, 1)
    attention.gate = nn.Identity()
    mixed = attention.mix(q[None, None], k[None, None], v[None, None])
    assert mixed.tolist() == [[[[0.125, 0.0], [0.375, 0.125]]]]


def test_ssa_fires_at_half_the_threshold() -> None:
    """Eight matching channels and one value: 8 * 0.125 = 1 charges a LIF of tau 2 to exactly 0.5."""
    attention: Any = build(SpikingSelfAttention, 8, 1)
    ones = torch.ones(1, 1, 1, 8)
    assert attention.mix(ones, ones, ones).tolist() == [[[[1.0] * 8]]]
    attention.gate.reset()
    seven = ones.clone()
    seven[..., 0] = 0
    assert attention.mix(seven, ones, ones).sum() == 0  # 7 * 0.125 / 2 < 0.5


@pytest.mark.parametrize(("tokens", "width", "heads"), [(3, 8, 2), (9, 6, 3), (4, 4, 1)])
def test_ssa_equals_loops(tokens: int, width: int, heads: int) -> None:
    """Heads of fewer and of more channels than tokens take either order of products."""
    steps, batch, size = 2, 2, width // heads
    q, k, v = (spikes(steps, batch, tokens, width, seed=seed) for seed in range(3))
    attention = build(SpikingSelfAttention, width, heads)
    attention.gate = nn.Identity()
    mixed = attention.mix(q, k, v)
    for t in range(steps):
        for b in range(batch):
            for n in range(tokens):
                for c in range(width):
                    head = slice(c // size * size, c // size * size + size)
                    by_hand = sum(float(q[t, b, n, head] @ k[t, b, m, head]) * v[t, b, m, c] for m in range(tokens))
                    assert mixed[t, b, n, c] == 0.125 * by_hand


def test_spike_driven_attention_by_hand() -> None:
    q = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    k = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    v = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    # sum over tokens of k * v = [1, 0]; a LIF of tau 2 and threshold 0.5 fires for the first channel only
    attention = build(SpikeDrivenAttention, 2, 1)
    assert attention.mix(q[None, None], k[None, None], v[None, None]).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_token_attention_passes_tokens_by_their_queries() -> None:
    attention: Any = TokenQKAttention(4, 2, LIF, membrane=False, bias=False)
    q = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])[None, None]
    k = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])[None, None]
    attention.query, attention.key, attention.project = (_Constant(q), _Constant(k), nn.Identity())
    # head 1 (channels 1, 2) passes tokens 1 and 3, head 2 (channels 3, 4) tokens 2 and 3
    expected = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]]
    assert attention(q).tolist() == [[expected]]


def test_softmax_attention_equals_loops() -> None:
    q, k, v = (torch.rand(1, 2, 5, 6, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    attention = SoftmaxAttention(6, 2, NeuronConfig(type="relu"), membrane=False, bias=True)
    mixed = attention.mix(q, k, v)
    for b in range(2):
        for head in (slice(0, 3), slice(3, 6)):
            scores = q[0, b, :, head] @ k[0, b, :, head].T / math.sqrt(3)
            torch.testing.assert_close(mixed[0, b, :, head], scores.softmax(-1) @ v[0, b, :, head])


class _Constant(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: Tensor) -> Tensor:
        return self.value
