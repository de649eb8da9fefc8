"""Honest models: robust or not, their gradients say so."""

from __future__ import annotations

from functools import partial

from spikingjelly.activation_based import neuron

from tests.attack_models import Noisy
from tests.zoo.bases import NEURONS, conv_lif, dressed, node, trained
from tests.zoo.entry import Builder, Entry
from tests.zoo.handwritten import Detached, HandATan, HandTriangle

SOFT = node(neuron.LIFNode, tau=2.0, decay_input=False, v_reset=None)
"""Library neurons that fire as those with the hand-written soft reset."""


def honest(name: str, base: str, build: Builder | None = None, *, stochastic: bool = False) -> Entry:
    """An entry that is its own bare model."""
    return Entry(name, "honest", build or partial(trained, base), stochastic=stochastic, base=base)


def twin(name: str, build: Builder, bare: Builder = conv_lif, base: str = "lif") -> Entry:
    """An entry that decides as one of library neurons does, which estimators can attack."""
    return Entry(name, "honest", build, (bare,), same=True, base=base)


ENTRIES = (
    honest("lif", "lif", conv_lif),
    twin("lif, step by step", partial(conv_lif, "s")),
    twin("lif, reset in the graph", partial(dressed, node(neuron.LIFNode, "detach_reset"))),
    honest("if", "if"),
    honest("plif", "plif"),
    honest("psn", "psn"),
    honest("gated lif", "gated_lif"),
    honest("wide lif", "wide"),
    honest("adversarial lif", "adversarial"),
    twin("hand-written, triangle", partial(dressed, HandTriangle)),
    twin("hand-written, atan", partial(dressed, HandATan)),
    twin("hand-written, detach trick", partial(dressed, Detached)),
    twin(
        "hand-written, soft reset", partial(trained, "soft_reset"), partial(dressed, SOFT, "soft_reset"), "soft_reset"
    ),
    twin(
        "hand-written, adversarial",
        partial(dressed, HandTriangle, "adversarial"),
        partial(trained, "adversarial"),
        "adversarial",
    ),
    honest("attention and dropout", "attentive"),
    honest("relu twin", "relu"),
    honest("adversarial relu twin", "relu_adversarial"),
    honest("spikformer", "spikformer"),
    honest("tdformer", "tdformer"),
    honest("stf", "stf"),
    honest("rate code, straight-through", "rated", stochastic=True),
    honest("declared noise", "lif", lambda: Noisy(conv_lif(), 0.1).eval(), stochastic=True),
    *(
        Entry(f"neurons: {name}", "neurons", partial(trained, name), base=name)
        for name in (*NEURONS, "complementary_lif", "sltt_lif")
        if name not in ("if", "plif", "psn", "gated_lif")
    ),
)
