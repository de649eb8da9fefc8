"""Neurons against their difference equations."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from robustbench_snn.model.neurons import NeuronConfig, implementation, reset, spiking_neurons

Kind = Literal["lif", "plif", "if"]


def by_hand(drive: Tensor, kind: Kind, tau: float, threshold: float) -> Tensor:
    """H = V + (X - V) / tau, or V + X without leak; a spike at H >= threshold; hard reset to 0."""
    membrane, spikes = torch.zeros_like(drive[0]), []
    for current in drive:
        membrane = membrane + (current if kind == "if" else (current - membrane) / tau)
        spikes.append((membrane >= threshold).to(drive.dtype))
        membrane = membrane * (1 - spikes[-1])
    return torch.stack(spikes)


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["lif", "plif", "if"]),
    tau=st.sampled_from([1.25, 2.0, 4.0]),
    threshold=st.sampled_from([0.25, 1.0, 1.5]),
    seed=st.integers(0, 1000),
    timesteps=st.integers(1, 6),
)
def test_spikes_follow_the_equation(kind: Kind, tau: float, threshold: float, seed: int, timesteps: int) -> None:
    drive = 3 * torch.rand(timesteps, 2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    config = NeuronConfig(type=kind, tau=tau, threshold=threshold)
    expected = by_hand(drive, kind, tau, threshold)
    with torch.no_grad():
        many = config.build().double()
        assert torch.equal(many(drive), expected)
        single = config.build(step_mode="s").double()
        assert torch.equal(torch.stack([single(step) for step in drive]), expected)


@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
def test_membranes_run_on_until_reset(kind: Kind) -> None:
    """A drive that makes a neuron fire at its third step, in one run or in two."""
    node = NeuronConfig(type=kind).build()
    drive = torch.full((2, 1, 1), 0.4 if kind == "if" else 1.3)  # IF: 0.4, 0.8, 1.2; LIF: 0.65, 0.975, 1.1375
    with torch.no_grad():
        assert node(torch.cat([drive, drive])).flatten().tolist() == [0, 0, 1, 0]
        reset(node)
        assert node(drive).flatten().tolist() == [0, 0]
        assert node(drive).flatten().tolist() == [1, 0]
        reset(node)
        assert node(drive).flatten().tolist() == [0, 0]


@pytest.mark.parametrize(("alpha", "membrane"), [(4.0, 0.6), (2.0, 1.3)])
def test_surrogate_gradient_of_the_sigmoid(alpha: float, membrane: float) -> None:
    """d spike / d H = alpha s (1 - s) with s = sigmoid(alpha (H - threshold)); H = X / 2 at the first step."""
    drive = torch.tensor([[2 * membrane]], dtype=torch.float64, requires_grad=True)
    NeuronConfig(alpha=alpha).build().double()(drive).sum().backward()
    s = 1 / (1 + math.exp(-alpha * (membrane - 1)))
    assert drive.grad is not None
    assert drive.grad.item() == pytest.approx(alpha * s * (1 - s) / 2)


@pytest.mark.parametrize("surrogate", ["sigmoid", "atan", "triangle"])
@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
def test_every_surrogate_passes_a_gradient(surrogate: Literal["sigmoid", "atan", "triangle"], kind: Kind) -> None:
    drive = torch.rand(3, 2, 4, requires_grad=True)
    NeuronConfig(type=kind, surrogate=surrogate, alpha=1.0).build()(drive).sum().backward()
    assert drive.grad is not None
    assert (drive.grad != 0).any()


def test_plif_trains_its_leak() -> None:
    node = NeuronConfig(type="plif", tau=4.0).build()
    (leak,) = node.parameters()
    assert torch.sigmoid(leak).item() == pytest.approx(1 / 4)
    node(torch.rand(3, 2, 4)).sum().backward()
    assert leak.grad is not None
    assert leak.grad != 0
    assert not list(NeuronConfig().build().parameters())


def test_thresholds_are_in_units_of_the_configured_one() -> None:
    assert NeuronConfig(threshold=2.0).build(threshold=0.5).v_threshold == 1.0
    assert NeuronConfig().build(threshold=0.5).v_threshold == 0.5


def test_relu_is_no_spiking_neuron() -> None:
    model = nn.Sequential(NeuronConfig(type="relu").build(), NeuronConfig(type="relu").build(step_mode="s"))
    assert spiking_neurons(model) == []
    assert model(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert implementation(model, "cpu") == "no spiking neurons"


def test_implementation_names_each_kind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(NeuronConfig().build(), NeuronConfig().build(), NeuronConfig(type="if").build())
    monkeypatch.setattr("robustbench_snn.model.neurons.state", lambda device: f"compiled for {device}")
    assert implementation(model, "cpu") == "if: fused, compiled for cpu; lif: fused, compiled for cpu"


@pytest.mark.parametrize("wrong", [{"tau": 1.0}, {"threshold": 0.0}, {"type": "hh"}, {"alpha": -1}, {"leak": 0.5}])
def test_bad_constants_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NeuronConfig(**wrong)
