"""One recording of an event camera, and the frames that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.errors import UserError

By = Literal["time", "count"]
"""Whether frames hold equal time, or equal numbers of events."""

POLARITIES = 2


@dataclass(frozen=True)
class Events:
    """One recording, in the order of time.

    Attributes:
        t: int64 (N,), microseconds, never falling.
        x: int16 (N,), column.
        y: int16 (N,), row.
        p: int8 (N,), channel of the polarity: 0 for ON (brighter), 1 for OFF (darker).
        height: of the sensor, in pixels.
        width: of the sensor.

    Raises:
        ValueError: if the columns differ in length.
    """

    t: Tensor
    x: Tensor
    y: Tensor
    p: Tensor
    height: int
    width: int

    def __post_init__(self) -> None:
        if len({column.shape for column in (self.t, self.x, self.y, self.p)}) != 1 or self.t.ndim != 1:
            raise ValueError("t, x, y and p must be columns of one length")

    def __len__(self) -> int:
        return len(self.t)

    def kept(self, rows: Tensor) -> Events:
        """The events at these rows (bool (N,) or int64, in the order of time)."""
        return Events(self.t[rows], self.x[rows], self.y[rows], self.p[rows], self.height, self.width)

    def ordered(self) -> Events:
        """The same events in the order of time; of one time, in the order that they had."""
        return self.kept(torch.argsort(self.t, stable=True))


def frames_of(events: Events, frames: int, by: By = "time") -> Tensor:
    """Counts of events by frame, polarity and pixel, as SpikingJelly's ``integrate_events_by_fixed_frames_number``.

    By time, a frame is floor((last - first) / F) microseconds long, counted from the first event; by count it holds
    floor(N / F) events. The last frame takes what is left. A frame without events is empty, where SpikingJelly fails.

    Args:
        events: a recording; one without events gives empty frames.
        frames: F.
        by: ``time`` or ``count``.

    Returns:
        float32 (F, 2, H, W), whole numbers.

    Raises:
        UserError: if F is less than 1.
    """
    if frames < 1:
        raise UserError(f"a recording has 1 frame or more, not {frames}")
    size = (frames, POLARITIES, events.height, events.width)
    if not len(events):
        return torch.zeros(size)
    if by == "time":
        since = events.t - events.t[0]
        length = int(since[-1]) // frames
        frame = since // length if length else torch.full_like(since, frames - 1)
    else:
        length = len(events) // frames
        order = torch.arange(len(events))
        frame = order // length if length else torch.full_like(order, frames - 1)
    frame = frame.clamp(max=frames - 1)
    place = ((frame * POLARITIES + events.p) * events.height + events.y) * events.width + events.x
    return torch.bincount(place, minlength=torch.Size(size).numel()).reshape(size).to(torch.float32)


def merged(frames: Tensor, timesteps: int) -> Tensor:
    """Fewer frames, each the sum of as many neighbours: (..., F, C, H, W) to (..., T, C, H, W).

    It is what :func:`frames_of` gives for T wherever F divides what is cut: the number of events, or the microseconds
    between the first and the last. Elsewhere the two cut up to F events, or F microseconds, apart.

    Raises:
        UserError: if T does not divide F.
    """
    count = frames.shape[-4]
    if timesteps < 1 or count % timesteps:
        raise UserError(f"{count} frames cannot be added up to {timesteps}: it must divide their number")
    added: Tensor = frames.unflatten(-4, (timesteps, count // timesteps)).sum(-4)
    return added
