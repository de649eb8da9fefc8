"""Random streams: published values, distributions, and independence of the batch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from robustbench_snn.randomness import SampleRandom, key_of

MASK = 2**64 - 1


def splitmix64(state: int, count: int) -> list[int]:
    """The published generator, one number after another, in whole numbers without a limit."""
    out = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(z ^ (z >> 31))
    return out


def stream(key: int) -> SampleRandom:
    return SampleRandom(torch.tensor([key]))


def test_published_outputs() -> None:
    bits = stream(1234567).bits(2)[0]
    assert [int(b) & MASK for b in bits] == [6457827717110365317, 3203168211198807973]


@given(key=st.integers(-(2**63), 2**63 - 1), count=st.integers(1, 40))
@settings(max_examples=50)
def test_bits_are_splitmix64(key: int, count: int) -> None:
    assert [int(b) & MASK for b in stream(key).bits(count)[0]] == splitmix64(key & MASK, count)


@given(key=st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=20)
def test_draws_follow_from_the_bits(key: int) -> None:
    bits = splitmix64(key & MASK, 9)
    random = stream(key)
    assert random.uniform(9)[0].tolist() == [(b >> 40) / 2**24 for b in bits]
    assert random.integers(7, 9)[0].tolist() == [(b >> 1) % 7 for b in bits]
    assert random.signs(9)[0].tolist() == [1.0 - 2.0 * (b >> 63) for b in bits]
    normal = [
        math.sqrt(-2 * math.log(((b >> 40) + 0.5) / 2**24)) * math.cos(2 * math.pi * (b & 0xFFFFFF) / 2**24)
        for b in bits
    ]
    torch.testing.assert_close(random.normal(9)[0], torch.tensor(normal), rtol=1e-4, atol=1e-5)


def test_a_draw_leaves_the_keys_alone_and_is_pure() -> None:
    random = SampleRandom.for_samples(1, sample_ids=range(5))
    before = random.keys.clone()
    first = random.normal(3, 4)
    random.fold("other")
    assert torch.equal(random.keys, before)
    assert torch.equal(random.normal(3, 4), first)
    assert first.shape == (5, 3, 4)


@pytest.mark.parametrize("draw", ["uniform", "normal", "bits", "signs"])
def test_numbers_do_not_depend_on_batch_mates(draw: str) -> None:
    ids = torch.randperm(37)
    whole: Tensor = getattr(SampleRandom.for_samples(0, "x", sample_ids=range(37)), draw)(3, 11)
    mixed: Tensor = getattr(SampleRandom.for_samples(0, "x", sample_ids=ids), draw)(3, 11)
    assert torch.equal(mixed, whole[ids])
    alone: Tensor = getattr(SampleRandom.for_samples(0, "x", sample_ids=[5]), draw)(3, 11)
    assert torch.equal(alone[0], whole[5])


def test_uniform_distribution() -> None:
    draws = SampleRandom.for_samples(3, sample_ids=range(64)).uniform(4096).flatten()
    assert float(draws.min()) >= 0
    assert float(draws.max()) < 1
    counts = torch.histc(draws, 64, 0, 1)
    expected = len(draws) / 64
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert chi_squared < 63 + 5 * math.sqrt(2 * 63)


def test_normal_distribution() -> None:
    draws = SampleRandom.for_samples(4, sample_ids=range(64)).normal(4096).double()
    count = draws.numel()
    assert abs(float(draws.mean())) < 5 / math.sqrt(count)
    assert abs(float(draws.var()) - 1) < 5 * math.sqrt(2 / count)
    assert abs(float((draws**4).mean()) - 3) < 5 * math.sqrt(96 / count)
    assert abs(float((draws.abs() < 1).double().mean()) - math.erf(math.sqrt(0.5))) < 0.005


def test_streams_and_neighbours_are_uncorrelated() -> None:
    draws = SampleRandom.for_samples(5, sample_ids=range(64)).normal(4096)
    correlation = torch.corrcoef(draws)
    off = correlation - torch.diag(correlation.diag())
    assert float(off.abs().max()) < 5.5 / math.sqrt(4096)
    lagged = torch.corrcoef(torch.stack([draws[:, 1:].flatten(), draws[:, :-1].flatten()]))[0, 1]
    assert abs(float(lagged)) < 5 / math.sqrt(64 * 4095)


def test_labels_seeds_and_samples_give_other_streams() -> None:
    streams = [
        SampleRandom.for_samples(0, "a", sample_ids=[1]),
        SampleRandom.for_samples(0, "b", sample_ids=[1]),
        SampleRandom.for_samples(1, "a", sample_ids=[1]),
        SampleRandom.for_samples(0, "a", sample_ids=[2]),
        SampleRandom.for_samples(0, "a", sample_ids=[1]).fold("a"),
        SampleRandom.for_samples(0, "a", sample_ids=[1]).fold("a", "a"),
    ]
    assert len({int(random.keys[0]) for random in streams}) == len(streams)
    assert key_of("ab", "c") != key_of("a", "bc")


def test_indexing_moving_and_length() -> None:
    random = SampleRandom.for_samples(0, sample_ids=range(6))
    assert len(random) == 6
    assert torch.equal(random[2:4].uniform(5), random.uniform(5)[2:4])
    mask = torch.tensor([True, False, True, False, False, True])
    assert torch.equal(random[mask].to("cpu").uniform(5), random.uniform(5)[mask])


def test_from_torch_follows_the_global_seed() -> None:
    torch.manual_seed(9)
    first = SampleRandom.from_torch(4)
    second = SampleRandom.from_torch(4)
    torch.manual_seed(9)
    assert torch.equal(SampleRandom.from_torch(4).keys, first.keys)
    assert not torch.equal(first.keys, second.keys)


@pytest.mark.parametrize("keys", [torch.zeros(3), torch.zeros(2, 2, dtype=torch.int64)])
def test_keys_of_a_wrong_form(keys: Tensor) -> None:
    with pytest.raises(ValueError, match="keys must be an int64 tensor"):
        SampleRandom(keys)
