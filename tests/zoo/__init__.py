"""A zoo of small models of scikit-learn's digits: honest ones, and ones whose gradients are masked."""

from __future__ import annotations

from tests.zoo import honest, masked_gradient, masked_input, masked_logits, masked_spikes, refused
from tests.zoo.entry import Entry
from tests.zoo.truth import shares, truth

ZOO: tuple[Entry, ...] = (
    *honest.ENTRIES,
    *masked_input.ENTRIES,
    *masked_spikes.ENTRIES,
    *masked_logits.ENTRIES,
    *masked_gradient.ENTRIES,
    *refused.ENTRIES,
)

__all__ = ["ZOO", "Entry", "shares", "truth"]
