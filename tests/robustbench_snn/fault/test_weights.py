"""Faults of weights, against codes and bits written out by hand."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robustbench_snn.fault.kinds import SYNAPSES, Fault, SynapseFault
from robustbench_snn.fault.synapses import faulty_synapses, synapses_of
from robustbench_snn.fault.weights import faulty, quantised

SITES: tuple[SynapseFault, ...] = ("synapse_dead", "synapse_saturated", "bitflip_float32")


def weights(count: int = 20_000) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(0))


def test_int4_has_the_codes_from_minus_seven_to_seven_and_rounds_halves_to_even() -> None:
    weight = torch.tensor([[7.0, 3.4, -3.5], [0.5, -7.0, 1.5]])
    found, changed = faulty(weight, Fault("int4"), "here")
    assert found.tolist() == [[7.0, 3.0, -4.0], [0.0, -7.0, 2.0]]
    assert changed == 4
    codes, step = quantised(2.0 * weight, 4)
    assert (codes.tolist(), step) == (found.tolist(), 2.0)


def test_int8_is_within_half_a_step_of_each_weight() -> None:
    found, _ = faulty(weights(), Fault("int8"), "here")
    step = float(weights().abs().max()) / 127
    assert float((found - weights()).abs().max()) <= 0.5001 * step
    assert len((found / step).round().unique()) <= 255
    assert faulty(torch.zeros(3), Fault("int8"), "here")[0].tolist() == [0.0, 0.0, 0.0]


def test_with_all_bits_flipped_an_int8_code_is_its_complement() -> None:
    codes = torch.tensor([127.0, -1.0, 0.0, 64.0])
    found, changed = faulty(0.5 * codes, Fault("bitflip_int8", 1.0), "here")
    assert found.tolist() == [-64.0, 0.0, -0.5, -32.5]  # of -128, 0, -1, -65
    assert changed == 4


def test_a_float_that_loses_a_bit_may_become_infinite_and_stays_so() -> None:
    bits = torch.tensor([0x3F800000, 0x007FFFFF - 2**31], dtype=torch.int64).to(torch.int32)
    found, _ = faulty(bits.view(torch.float32), Fault("bitflip_float32", 1.0), "here")
    expected = (~bits.numpy()).view(np.float32)
    assert found[1] == math.inf
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("kind", ["bitflip_int8", "bitflip_float32"])
def test_bits_flip_each_with_the_rate_s_probability(kind: SynapseFault) -> None:
    weight = weights() / weights().abs().max()
    found, _ = faulty(weight, Fault(kind, 0.02), "here")
    if kind == "bitflip_int8":
        before, after = ((127 * values).round().to(torch.int8).numpy().view(np.uint8) for values in (weight, found))
    else:
        before, after = (values.numpy().view(np.uint8) for values in (weight, found))
    flipped = np.unpackbits(before ^ after)
    assert abs(flipped.mean() - 0.02) < 5 * math.sqrt(0.02 * 0.98 / flipped.size)
    by_place = flipped.reshape(len(weight), -1).mean(0)
    assert np.abs(by_place - 0.02).max() < 5 * math.sqrt(0.02 * 0.98 / len(weight))


def test_dead_saturated_and_noisy() -> None:
    weight = torch.tensor([0.5, -2.0, 0.0, 1.0])
    assert faulty(weight, Fault("synapse_dead", 1.0), "here")[0].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert faulty(weight, Fault("synapse_saturated", 1.0), "here")[0].tolist() == [2.0, -2.0, 2.0, 2.0]
    noise = faulty(3.0 * weights(), Fault("weight_noise", 0.1), "here")[0] - 3.0 * weights()
    assert float(noise.std()) == pytest.approx(0.3, rel=0.03)
    assert abs(float(noise.mean())) < 0.01


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(SITES),
    rate=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**31),
    draw=st.integers(0, 100),
)
def test_sites_are_binomial_and_follow_from_the_fault_and_the_place_alone(
    kind: SynapseFault, rate: float, seed: int, draw: int
) -> None:
    fault = Fault(kind, rate, "conv", seed, draw)
    hits = fault.hits("layer", (40, 50))
    assert abs(int(hits.sum()) - 2000 * rate) <= 6 * math.sqrt(2000 * rate * (1 - rate)) + 1
    torch.randn(3)  # global generators have no say
    assert torch.equal(hits, Fault(kind, rate, "conv", seed, draw).hits("layer", (40, 50)))
    if 0.01 < rate < 0.99:
        for other in (Fault(kind, rate, "conv", seed, draw + 1), Fault(kind, rate, "all", seed, draw)):
            assert not torch.equal(hits, other.hits("layer", (40, 50)))
        assert not torch.equal(hits, fault.hits("another", (40, 50)))


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from((*SITES, "weight_noise")), seed=st.integers(0, 1000))
def test_rate_nil_changes_no_bit(kind: SynapseFault, seed: int) -> None:
    found, changed = faulty(weights(500), Fault(kind, 0.0, seed=seed), "here")
    assert changed == 0
    np.testing.assert_array_equal(found.numpy().view(np.int32), weights(500).numpy().view(np.int32))


@pytest.mark.parametrize("kind", SYNAPSES)
def test_a_layer_s_own_tensors_come_back_even_after_an_error(kind: SynapseFault) -> None:
    model = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    before = model.weight.data_ptr(), model.weight.stride(), model.weight.detach().clone()
    synapses, beyond = synapses_of(model, "all")
    with suppress(ZeroDivisionError), faulty_synapses(synapses, Fault(kind, 0.3)) as changed:
        broken, layout = model.weight.clone(), model.weight.stride()
        raise ZeroDivisionError
    assert changed == int((broken != before[2]).sum()) > 0
    assert layout == before[1]
    assert (model.weight.data_ptr(), model.weight.stride()) == before[:2]
    assert torch.equal(model.weight, before[2])
    assert beyond == []


def test_weights_by_layer_kind() -> None:
    attention = nn.Linear(2, 2)
    parts = {"attention": attention, "mlp": nn.Linear(2, 3), "head": nn.Linear(3, 2)}
    twin, derived = nn.Linear(2, 2), nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    twin.weight = attention.weight  # one memory, one set of sites
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    model = nn.ModuleDict({"encoder": encoder, "backbone": nn.ModuleDict(parts), "twin": twin, "derived": derived})

    def names(kind: str) -> list[str]:
        return [one.name for one in synapses_of(model, kind)[0]]  # type: ignore[arg-type]

    assert names("encoder") == ["encoder.0.weight"] == names("conv")
    assert names("norm") == ["encoder.1.weight"]
    assert names("backbone") == [f"backbone.{part}.weight" for part in ("attention", "mlp", "head")] == names("linear")
    assert names("all") == names("conv") + names("linear")
    assert [names(part) for part in ("attention", "mlp", "head")] == [[name] for name in names("backbone")]
    assert synapses_of(model, "all")[1] == ["derived"] == synapses_of(model, "linear")[1]
    assert synapses_of(model, "conv")[1] == []
