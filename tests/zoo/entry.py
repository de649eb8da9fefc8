"""What an entry of the zoo is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

Builder = Callable[[], nn.Module]
Kind = Literal["honest", "neurons", "input", "spikes", "logits", "gradient", "state"]
"""``honest`` models; library ``neurons`` in one body; else where the mask sits."""


@dataclass(frozen=True)
class Entry:
    """A small model of the digits, honest or masked.

    Attributes:
        name: unique.
        kind: what it is, or where its mask sits.
        build: the model in eval mode, ready: images (B, 1, 8, 8) in [0, 1] to logits (B, 10).
        bares: models that decide nearly the same and can be attacked, for a masked one.
        stochastic: what the user would declare.
        refused: no robust accuracy is its own: it answers one image in two ways, or by its batch mates.
        agrees: the first bare model names the same classes on clean images, nearly always.
        same: it names the same classes on every image.
        learns: its accuracy on clean images is above 90 %.
        base: whose weights it is built from, in ``bases.py``; empty without any.
    """

    name: str
    kind: Kind
    build: Builder
    bares: tuple[Builder, ...] = ()
    stochastic: bool = False
    refused: bool = False
    agrees: bool = True
    same: bool = False
    learns: bool = True
    base: str = "lif"

    @property
    def honest(self) -> bool:
        """Whether its gradients, or those of an estimator, are of use to an attack."""
        return self.kind in ("honest", "neurons")
