"""Spike words, their histogram and entropy, against counting by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from robustbench_snn.errors import UserError
from robustbench_snn.spikes.words import (
    global_word_entropy,
    spike_words,
    word_entropy,
    word_histogram,
)


def entropy(counts: Mapping[str, int], timesteps: int) -> float:
    total = sum(counts.values())
    return -sum(n / total * math.log(n / total) for n in counts.values()) / math.log(2**timesteps)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 30), st.floats(0.0, 1.0), st.integers(0, 1000))
@settings(max_examples=50)
def test_against_strings(timesteps: int, batch: int, neurons: int, rate: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(timesteps, batch, neurons, generator=generator) < rate).float()
    words = spike_words(spikes)
    by_image = []
    for b in range(batch):
        said = ["".join(str(int(bit)) for bit in spikes[:, b, n]) for n in range(neurons)]
        assert [int(word, 2) for word in said] == words[b].tolist()
        by_image.append(Counter(said))
        counted = {int(word, 2): count for word, count in by_image[-1].items()}
        assert word_histogram(spikes)[b].tolist() == [counted.get(w, 0) for w in range(2**timesteps)]
    wanted = sum(entropy(counts, timesteps) for counts in by_image) / batch
    assert word_entropy(word_histogram(spikes)).mean() == pytest.approx(wanted, abs=1e-12)
    assert global_word_entropy(spikes) == pytest.approx(entropy(sum(by_image, Counter()), timesteps), abs=1e-12)


def test_the_first_step_is_the_most_significant_bit() -> None:
    assert spike_words(torch.tensor([1.0, 0, 0, 0]).reshape(4, 1, 1)).item() == 8


def test_extremes() -> None:
    silent = torch.zeros(4, 2, 3, 5, 5)
    assert word_entropy(word_histogram(silent)).tolist() == [0, 0]
    assert global_word_entropy(silent) == 0
    assert float(word_entropy(torch.full((16,), 7))) == pytest.approx(1.0)


def test_images_that_differ_are_more_varied_together() -> None:
    spikes = torch.zeros(2, 2, 10)
    spikes[0, 1] = 1
    assert word_entropy(word_histogram(spikes)).tolist() == [0, 0]
    assert global_word_entropy(spikes) == pytest.approx(0.5)


def test_real_valued_output_counts_where_it_fires() -> None:
    assert spike_words(torch.tensor([0.3, 0.0]).reshape(2, 1, 1)).item() == 2


def test_too_long() -> None:
    with pytest.raises(UserError, match="at most 20"):
        spike_words(torch.zeros(21, 1, 1))
