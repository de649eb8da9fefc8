"""Datasets of recordings of event cameras, read from their authors' files."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robustbench_snn.dataset.contract import Dataset, build
from robustbench_snn.dataset.event_frames import MOST, EventSamples
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.frame_cache import FrameCache
from robustbench_snn.dataset.named_splits import split_digest
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.event.stream import POLARITIES, By, Events, frames_of


@dataclass(frozen=True)
class Binning:
    """How recordings become frames of one size.

    Attributes:
        frames: F.
        by: frames of equal time, or of equal numbers of events.
        height: of the sensor, in pixels.
        width: of the sensor.
        size: height and width of the frames; the sensor's own if None.
    """

    frames: int
    by: By
    height: int
    width: int
    size: int | None = None

    @property
    def factor(self) -> int:
        """k: a square of k x k pixels of the sensor is one of the frame, the smallest k with which it fits."""
        return 1 if self.size is None else -(-max(self.height, self.width) // self.size)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(F, 2, H, W)."""
        return self.frames, POLARITIES, self.size or self.height, self.size or self.width

    def placed(self, events: Events) -> Events:
        """The recording with the frames' coordinates: what k x k pixels report is one pixel's."""
        x, y = (torch.div(column, self.factor, rounding_mode="floor") for column in (events.x, events.y))
        return replace(events, x=x, y=y, height=self.shape[2], width=self.shape[3])

    def counts(self, events: Events) -> Tensor:
        """uint8 (F, 2, H, W) of a placed recording; what is more than 255 becomes that."""
        return frames_of(events, self.frames, self.by).clamp(max=MOST).to(torch.uint8)

    def words(self) -> str:
        """How events became frames, in words."""
        sensor = f"{self.frames} frames of equal {self.by}, sensor of {self.height}x{self.width}"
        pooled = f", sums over {self.factor}x{self.factor} pixels, zeros up to {self.size}x{self.size}"
        return sensor + (pooled if self.size else "")


@dataclass(frozen=True)
class Recordings:
    """All recordings of a folder, in an order that is the same on every machine.

    Attributes:
        labels: int64 (N,).
        ids: int64 (N,), unique.
        read: the recording at a row.
        contents: sha256 of names and contents of the files.
        source: the folder.
    """

    labels: Tensor
    ids: Tensor
    read: Callable[[int], Events]
    contents: str
    source: str


class RecordedFrames(EventSamples):
    """Event frames of recordings: made when they are first asked for, and kept on disk (:class:`FrameCache`).

    Args:
        recordings: where events come from.
        binning: how they become frames.
    """

    slow = True

    def __init__(self, recordings: Recordings, binning: Binning) -> None:
        super().__init__(recordings.labels, recordings.ids)
        self.binning, self.by = binning, binning.by
        self._read = recordings.read
        self._rows = torch.arange(len(recordings.labels))
        key = fingerprint("event frames 1", recordings.contents, recordings.ids, binning.words())
        self.cache = FrameCache(key, len(self._rows), binning.shape, lambda row: binning.counts(self._placed(row)))

    def images(self, positions: Tensor) -> Tensor:
        """The frames at these rows, float32 (B, F, 2, H, W) holding whole numbers."""
        return self.cache(self._rows[positions]).to(torch.float32)

    def events(self, position: int) -> Events:
        """See :meth:`Samples.events`; read from its file each time, with the coordinates of the frames.

        Raises:
            DatasetError: naming the file, if it cannot be read.
        """
        return self._placed(int(self._rows[position]))

    def subset(self, positions: Tensor) -> RecordedFrames:
        """See :meth:`Samples.subset`; shares what is kept."""
        part = copy.copy(self)
        Samples.__init__(part, self.labels[positions], self.ids[positions])
        part._rows = self._rows[positions]
        return part

    def _placed(self, row: int) -> Events:
        return self.binning.placed(self._read(row))


def of_recordings(
    name: str,
    recordings: Recordings,
    test: Tensor,
    binning: Binning,
    *,
    split: str,
    published: str,
    class_names: Sequence[str],
    validation: float,
    limit: int | None,
    train_limit: int | None,
) -> Dataset:
    """A dataset of recordings in a named split.

    Its fingerprint is over the files, the binning and the split. Its source says for people where it was found, which
    split it has, with the beginning of the split's hash, and how many recordings there are.

    Args:
        name: the registered name.
        recordings: all recordings.
        test: bool (N,), those for testing.
        binning: how they become frames.
        split: name of the split.
        published: how many recordings the published dataset has, in words.
        class_names: names of the classes.
        validation: share of the training recordings held out.
        limit: use this many test samples.
        train_limit: use this many training samples.

    Raises:
        DatasetError: if one side has no recording.
    """
    samples, digest = RecordedFrames(recordings, binning), split_digest(recordings.ids, test)
    counts = f"{int((~test).sum())} + {int(test.sum())} recordings (published: {published})"
    return build(
        name,
        train=samples.subset((~test).nonzero().squeeze(1)),
        test=samples.subset(test.nonzero().squeeze(1)),
        validation=validation,
        classes=len(class_names),
        statistics=((0.0,) * POLARITIES, (1.0,) * POLARITIES),
        fingerprint=fingerprint(recordings.contents, binning.words(), split, digest),
        limit=limit,
        train_limit=train_limit,
        class_names=class_names,
        source=f"{recordings.source}, split {split} ({digest[:12]}), {counts}",
        binning=binning.words(),
    )
