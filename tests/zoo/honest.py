"""Honest models: robust or not, their gradients say so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from tests.attack_models import Noisy
from tests.zoo.bases import NEURONS, conv_lif, dressed, trained
from tests.zoo.entry import Entry
from tests.zoo.handwritten import Detached, HandATan, HandTriangle


def honest(name: str, base: str, build: Callable[[], nn.Module] | None = None, *, stochastic: bool = False) -> Entry:
    """An entry that is its own bare model."""
    return Entry(name, "honest", build or partial(trained, base), stochastic=stochastic, base=base)


ENTRIES = (
    honest("lif", "lif", conv_lif),
    honest("lif, step by step", "lif", partial(conv_lif, "s")),
    honest("if", "if"),
    honest("plif", "plif"),
    honest("psn", "psn"),
    honest("gated lif", "gated_lif"),
    honest("wide lif", "wide"),
    honest("adversarial lif", "adversarial"),
    honest("hand-written, triangle", "lif", partial(dressed, HandTriangle)),
    honest("hand-written, atan", "lif", partial(dressed, HandATan)),
    honest("hand-written, detach trick", "lif", partial(dressed, Detached)),
    honest("hand-written, soft reset", "soft_reset"),
    honest("hand-written, adversarial", "adversarial", partial(dressed, HandTriangle, "adversarial")),
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
