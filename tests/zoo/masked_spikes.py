"""Masks in the neurons: spikes whose derivative is missing or of no use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from tests.zoo.bases import conv_lif, dressed, node, trained
from tests.zoo.bodies import straight
from tests.zoo.entry import Entry
from tests.zoo.handwritten import HandLIF, HandTriangle

Spike = Callable[[Tensor], Tensor]


class Fires(HandLIF):
    """Fires by a function of u = membrane - threshold."""

    def __init__(self, spike: Spike, **given: Any) -> None:
        super().__init__(**given)
        self.spike = spike

    def fire(self, u: Tensor) -> Tensor:
        return self.spike(u)


class Backward(torch.autograd.Function):
    """Heaviside with any backward pass."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, rule: Spike) -> Tensor:
        ctx.save_for_backward(u)
        ctx.rule = rule
        return (u >= 0).to(u)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.rule(ctx.saved_tensors[0]), None


def sloped(rule: Spike) -> Spike:
    """Spikes with this as their derivative."""

    def spike(u: Tensor) -> Tensor:
        result: Tensor = Backward.apply(u, rule)
        return result

    return spike


def blind(u: Tensor) -> Tensor:
    with torch.no_grad():
        return (u >= 0).to(u)


class Narrow(HandTriangle):
    """A surrogate so narrow that hardly any membrane meets it."""

    def fire(self, u: Tensor) -> Tensor:
        return sloped(lambda v: (v.abs() < 1e-5).to(v))(u)


class OwnStep(neuron.BaseNode):  # type: ignore[misc]
    """A neuron of SpikingJelly's kind whose own step fires by a comparison, not by the surrogate function."""

    def single_step_functional_forward(
        self, inputs: tuple[Tensor, ...], states: tuple[Any, ...], **_: object
    ) -> tuple[tuple[Tensor], tuple[Any, ...]]:
        v = states[0] + (inputs[0] - states[0]) / 2.0
        spike = (v >= self.v_threshold).to(v)
        return (spike,), (v * (1.0 - spike), *states[1:])


class Mirrored(surrogate.Sigmoid):  # type: ignore[misc]
    """A surrogate function of SpikingJelly's whose slope has the wrong sign above the threshold."""

    def forward(self, x: Tensor) -> Tensor:
        return straight((x >= 0).to(x), torch.sigmoid(-4.0 * x.abs()))


class Membrane(HandTriangle):
    """Membranes rounded to 1/256, as on fixed-point hardware, without a gradient."""

    def fire(self, u: Tensor) -> Tensor:
        return super().fire(torch.round(u * 256.0) / 256.0)


def half_reversed() -> nn.Module:
    """In both layers the signs would cancel."""
    model = dressed(HandTriangle)
    model.add_module("spike1", Fires(sloped(lambda u: -(1.0 - u.abs()).clamp_min(0.0))))
    return model


def library(base: str, made: Callable[..., nn.Module], mode: str) -> Entry:
    """Neurons of SpikingJelly's that hand no gradient on in eval mode."""
    name, bares = f"spikes: spikingjelly's {base} in eval mode", (partial(trained, base),)
    return Entry(name, "spikes", partial(dressed, made, base, mode), bares, base=base, same=True)


def entry(name: str, made: Callable[..., nn.Module], *, same: bool = True) -> Entry:
    return Entry(f"spikes: {name}", "spikes", partial(dressed, made), (conv_lif,), same=same)


def hand(name: str, spike: Spike) -> Entry:
    return entry(name, partial(Fires, spike))


ENTRIES = (
    hand("comparison", lambda u: (u >= 0).float()),
    hand("no_grad", blind),
    hand("sign", lambda u: (torch.sign(u) + 1.0) / 2.0),
    hand("heaviside", lambda u: torch.heaviside(u, torch.ones_like(u))),
    hand("where", lambda u: torch.where(u >= 0, 1.0, 0.0)),
    hand("zero backward", sloped(torch.zeros_like)),
    hand("backward 1e-30", sloped(lambda u: torch.full_like(u, 1e-30))),
    hand("random backward", sloped(torch.randn_like)),
    hand("wrong sign above threshold", sloped(lambda u: -u.sign() * (1.0 - u.abs()).clamp_min(0.0))),
    Entry("spikes: wrong sign in the first layer", "spikes", half_reversed, (conv_lif,), same=True),
    hand("nan backward", sloped(lambda u: torch.full_like(u, torch.nan))),
    entry("narrow surrogate", Narrow),
    entry("rounded membrane", Membrane, same=False),
    entry("spikingjelly, own step", OwnStep),
    entry("spikingjelly, wrong sign above threshold", node(neuron.LIFNode, surrogate_function=Mirrored())),
    library("complementary_lif", node(neuron.ComplementaryLIFNode, "surrogate_function", "detach_reset"), "m"),
    library("sltt_lif", neuron.SLTTLIFNode, "s"),
    entry(
        "spikingjelly, saturated surrogate",
        node(neuron.LIFNode, surrogate_function=surrogate.PiecewiseQuadratic(alpha=1e6)),
    ),
)
