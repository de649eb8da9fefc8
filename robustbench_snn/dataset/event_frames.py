"""Samples that are event frames: counts of events by frame, polarity and pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.event.stream import By, Events, frames_of, merged

MOST = 255
"""Counts are kept in a byte: a pixel that counts more events in one frame keeps this many."""


class EventSamples(Samples):
    """Recordings as frames of counts.

    Attributes:
        by: whether frames hold equal time, or equal numbers of events.
    """

    by: By = "time"

    def rebinned(self, positions: Tensor, timesteps: int) -> Tensor:
        """The whole recordings at these rows in another number of frames, float32 (B, T, C, H, W).

        Where T divides F, neighbouring frames are added up; otherwise raw events are cut anew.

        Raises:
            UserError: if T does not divide F and there are no raw events.
        """
        frames = self.images(positions)
        if frames.shape[1] % timesteps == 0:
            return merged(frames, timesteps)
        return torch.stack([frames_of(self.events(row), timesteps, self.by) for row in positions.tolist()])


class EventFrames(EventSamples):
    """Recordings as frames of counts, in memory.

    Args:
        counts: (N, F, C, H, W), non-negative whole numbers of any type; C = 2 polarities, ON before OFF. What is more
            than :data:`MOST` becomes that.
        labels: (N,).
        ids: (N,); the row numbers if None.
        stream: gives the raw events of the recording with this id; None where there are only frames.
        by: whether frames hold equal time, or equal numbers of events.

    Raises:
        ValueError: if the counts are of another shape.
    """

    def __init__(
        self,
        counts: Tensor,
        labels: Tensor,
        ids: Tensor | None = None,
        *,
        stream: Callable[[int], Events] | None = None,
        by: By = "time",
    ) -> None:
        super().__init__(labels, torch.arange(len(labels)) if ids is None else ids)
        if counts.ndim != 5 or len(counts) != len(labels):
            raise ValueError(f"counts must be (N, F, C, H, W) with N = {len(labels)}, got {tuple(counts.shape)}")
        self.counts = counts if counts.dtype == torch.uint8 else counts.clamp(0, MOST).to(torch.uint8)
        self.stream, self.by = stream, by

    def images(self, positions: Tensor) -> Tensor:
        """The frames at these rows, float32 (B, F, C, H, W) holding whole numbers."""
        return self.counts[positions].to(torch.float32)

    def events(self, position: int) -> Events:
        """See :meth:`Samples.events`."""
        return super().events(position) if self.stream is None else self.stream(int(self.ids[position]))

    def subset(self, positions: Tensor) -> EventFrames:
        """See :meth:`Samples.subset`."""
        labels, ids = self.labels[positions], self.ids[positions]
        return EventFrames(self.counts[positions], labels, ids, stream=self.stream, by=self.by)
