"""How differently a model spikes for two versions of the same images."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from robustbench_snn.spikes.rates import spikes_by_layer


@dataclass
class Recorded:
    """All spikes of one forward pass, as booleans; :meth:`observe` is an observer for :func:`~.recording.watched`.

    Attributes:
        samples: number of samples at the front of the batch to keep (the rest is padding); None for all.
    """

    samples: int | None = None
    pieces: dict[str, list[Tensor]] = field(default_factory=dict)

    def observe(self, name: str, first: int, spikes: Tensor) -> None:
        """Keeps the spikes of one layer."""
        self.pieces.setdefault(name, []).append(spikes[:, : self.samples] != 0)

    def layers(self) -> dict[str, Tensor]:
        """All spikes, bool (T, B, ...), by layer, in the order of the forward pass."""
        return spikes_by_layer(self.pieces)


@dataclass
class SpikeDistance:
    """Normalised Hamming distance of two spike trains by layer and step: the share of neurons whose spike differs.

    Sums are whole numbers, so any batching gives the same result. Equal spike trains have distance 0, two independent
    ones of rate r 2 r (1 - r), which :meth:`chance` gives for the rates found.
    """

    _different: dict[str, Tensor] = field(default_factory=dict)
    _fired: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def add(self, clean: dict[str, Tensor], other: dict[str, Tensor]) -> None:
        """Compares the spikes of one batch.

        Args:
            clean: bool (T, B, ...) by layer.
            other: the same layers and shapes.
        """
        for name, spikes in clean.items():
            others = other[name]
            counts = [_by_step(spikes ^ others), _by_step(spikes), _by_step(others)]
            before = self._fired.get(name, (torch.zeros_like(counts[0]),) * 2)
            self._different[name] = self._different.get(name, torch.zeros_like(counts[0])) + counts[0]
            self._fired[name] = (before[0] + counts[1], before[1] + counts[2])
            self._seen[name] = self._seen.get(name, 0) + spikes[0].numel()

    def by_layer(self) -> dict[str, list[float]]:
        """The distance at each step, in [0, 1], by layer."""
        return {name: (count.double() / self._seen[name]).tolist() for name, count in self._different.items()}

    def chance(self) -> dict[str, list[float]]:
        """Expected distance of independent trains of the same rates p and q, p + q - 2 p q, at each step by layer."""
        found = {}
        for name, (clean, other) in self._fired.items():
            p, q = clean.double() / self._seen[name], other.double() / self._seen[name]
            found[name] = (p + q - 2 * p * q).tolist()
        return found


def _by_step(spikes: Tensor) -> Tensor:
    """Number of True at each step, int64 (T,), on the CPU."""
    return spikes.flatten(1).sum(1).cpu()
