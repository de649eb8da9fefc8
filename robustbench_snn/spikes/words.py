r"""Spike words: the spike trains of an encoder's neurons over T steps as binary numbers, and their diversity.

The word of a neuron for a sample has T bits, :math:`\sum_t S_t 2^{T-1-t}`, the first step being the most significant
bit. The entropy of the words, divided by that of all words being equally likely, is the spike
pattern diversity of Zheng et al. (2025, arXiv:2508.00387).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robustbench_snn.errors import UserError

LONGEST = 20
"""Histograms have 2^T bins: a million at most."""


def spike_words(spikes: Tensor) -> Tensor:
    """Reads each neuron's train as a binary number.

    Args:
        spikes: (T, B, ...), nonzero where a neuron fired.

    Returns:
        int64 (B, ...), in 0..2^T - 1.

    Raises:
        UserError: if T is above :data:`LONGEST`.
    """
    if len(spikes) > LONGEST:
        raise UserError(f"words of {len(spikes)} steps have too many values to count; ask for at most {LONGEST} steps")
    words = torch.zeros(spikes.shape[1:], dtype=torch.int64, device=spikes.device)
    for step in spikes:
        words = 2 * words + (step != 0)
    return words


def word_histogram(spikes: Tensor) -> Tensor:
    """How many neurons have each word, by image.

    Args:
        spikes: (T, B, ...).

    Returns:
        int64 (B, 2^T); a row sums to the neurons of one image.
    """
    words = spike_words(spikes).flatten(1)
    batch, bins = len(words), 2 ** len(spikes)
    offsets = bins * torch.arange(batch, device=words.device)[:, None]
    return torch.bincount((words + offsets).flatten(), minlength=batch * bins).reshape(batch, bins)


def word_entropy(histogram: Tensor) -> Tensor:
    r"""Normalised entropy of word counts, :math:`-\sum_w p_w \ln p_w / \ln 2^T`.

    Args:
        histogram: counts (..., 2^T), each row with at least one.

    Returns:
        float64 (...), 0 when every neuron has the same word, 1 when all words are equally frequent.
    """
    shares = histogram.to(torch.float64) / histogram.sum(-1, keepdim=True)
    entropy: Tensor = torch.special.entr(shares).sum(-1)
    return entropy / math.log(histogram.shape[-1])


def global_word_entropy(spikes: Tensor) -> float:
    """Entropy of the words of all neurons and images pooled, in [0, 1]; spikes are (T, B, ...)."""
    return float(word_entropy(word_histogram(spikes).sum(0)))
