"""What an attack on event frames may do: change single entries by one event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.dataset.event_frames import MOST
from robustbench_snn.randomness import SampleRandom

Values = Literal["counts", "binary"]


@dataclass(frozen=True)
class Space:
    """All frames that differ from the clean ones by a change here and there.

    A change adds one event at one entry (frame, polarity, pixel), or removes one; an entry changes at most once. Counts
    stay whole numbers from 0 to 255, and binary frames 0 or 1, where a change is a flip. That counts change by one
    event, and once, is this project's choice; the source, on binary frames, is Lun et al., CVPR 2025
    (arXiv:2503.03272).

    Attributes:
        values: ``counts``, or ``binary``: an entry is 1 where there was any event.
    """

    values: Values = "counts"

    @property
    def most(self) -> float:
        """The largest value of an entry."""
        return 1.0 if self.values == "binary" else float(MOST)

    def frames(self, counts: Tensor) -> Tensor:
        """Counts (B, F, 2, H, W) as frames of this space, float32."""
        return (counts > 0).to(counts.dtype) if self.values == "binary" else counts

    def changes(self, frames: Tensor, clean: Tensor) -> Tensor:
        """How many events were added or removed, int64 (B,); exact for frames of this space."""
        return (frames.double() - clean.double()).abs().flatten(1).sum(1).round().long()

    def contains(self, frames: Tensor, clean: Tensor) -> Tensor:
        """Whether frames (B, F, 2, H, W) are whole numbers in range, no entry changed by more than one; bool (B,)."""
        legal = (frames == frames.round()) & (frames >= 0.0) & (frames <= self.most) & ((frames - clean).abs() <= 1.0)
        return legal.flatten(1).all(1)

    def ways(self, frames: Tensor, wanted: Tensor) -> Tensor:
        """The change of each entry, -1 or 1, (B, D): the wanted one, or where it is not allowed, the other.

        Args:
            frames: (B, D), frames of this space, flat.
            wanted: (B, D), -1 or 1.
        """
        moved = frames + wanted
        return torch.where((moved < 0.0) | (moved > self.most), -wanted, wanted)

    def ranked(self, frames: Tensor, slope: Tensor, random: SampleRandom) -> tuple[Tensor, Tensor]:
        """The change of each entry, and how much is expected of it, both (B, D).

        Entries whose change lowers the margin to first order, 0 <= x - sign(g) <= most, are expected to do so by |g|.
        All others, and those without a slope, get a random value below the smallest of these.

        Args:
            frames: (B, D), frames of this space, flat.
            slope: (B, D), g, the margin by the frames.
            random: one stream a sample.
        """
        wanted = torch.where(slope == 0.0, random.fold("ways").signs(slope.shape[1]), -slope.sign())
        ways = self.ways(frames, wanted)
        helps = (slope != 0.0) & (ways == wanted)
        size = torch.where(helps, slope.abs(), torch.inf)
        least = torch.where(helps.any(1), size.amin(1), 1.0)
        return ways, torch.where(helps, size, random.fold("sizes").uniform(slope.shape[1]) * least[:, None])
