"""Firing rates, and neurons that never or always fire."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class LayerActivity:
    """Counts of one layer over all samples and steps: whole numbers, so any batching gives the same result.

    Attributes:
        fired: how often each neuron fired, int64; None before the first batch.
        seen: number of steps times samples counted.
    """

    fired: Tensor | None = None
    seen: int = 0

    def add(self, spikes: Tensor) -> None:
        """Counts some steps of some samples, (T, B, ...)."""
        counts = (spikes != 0).sum((0, 1)).cpu()
        self.fired = counts if self.fired is None else self.fired + counts
        self.seen += spikes.shape[0] * spikes.shape[1]

    @property
    def neurons(self) -> int:
        """Neurons of the layer."""
        return 0 if self.fired is None else self.fired.numel()

    @property
    def rate(self) -> float:
        """Spikes by neuron, step and sample, in [0, 1]."""
        return 0.0 if self.fired is None else float(self.fired.sum()) / (self.neurons * self.seen)

    @property
    def silent(self) -> float:
        """Share of neurons that fired at no step of any sample."""
        return 0.0 if self.fired is None else float((self.fired == 0).double().mean())

    @property
    def saturated(self) -> float:
        """Share of neurons that fired at every step of every sample."""
        return 0.0 if self.fired is None else float((self.fired == self.seen).double().mean())


@dataclass
class Activity:
    """The activity of all layers; :meth:`observe` is an observer for :func:`~.recording.watched`.

    Attributes:
        layers: by name, in the order of the forward pass.
        samples: number of samples at the front of the batch to count (the rest is padding); None for all.
    """

    layers: dict[str, LayerActivity] = field(default_factory=dict)
    samples: int | None = None

    def observe(self, name: str, first: int, spikes: Tensor) -> None:
        """Counts the spikes of one layer."""
        self.layers.setdefault(name, LayerActivity()).add(spikes[:, : self.samples])

    def mean_rate(self) -> float:
        """Spikes by neuron, step and sample over all layers together, in [0, 1]."""
        neurons = sum(layer.neurons * layer.seen for layer in self.layers.values())
        return sum(layer.rate * layer.neurons * layer.seen for layer in self.layers.values()) / max(neurons, 1)

    def share(self, what: str) -> float:
        """Share of ``silent`` or ``saturated`` neurons over all layers together."""
        neurons = sum(layer.neurons for layer in self.layers.values())
        return sum(float(getattr(layer, what)) * layer.neurons for layer in self.layers.values()) / max(neurons, 1)


def spikes_by_layer(pieces: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """Joins pieces (T', B, ...) of each layer to (T, B, ...)."""
    return {name: torch.cat(parts) for name, parts in pieces.items()}
