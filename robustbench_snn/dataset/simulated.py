"""Datasets of events that are simulated from the images of other datasets."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robustbench_snn.dataset.contract import Dataset
from robustbench_snn.dataset.encoded import CACHE_BYTES
from robustbench_snn.dataset.event_frames import MOST, EventSamples
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.event.simulation import Saccades, simulated
from robustbench_snn.event.stream import POLARITIES, By, Events, frames_of

BATCH = 64
"""Images that are simulated at once: more do not fit a processor's cache."""


@dataclass(frozen=True)
class Recipe:
    """How still images become event frames.

    Attributes:
        saccades: the movement and the pixels.
        frames: F.
        by: frames of equal time, or of equal numbers of events.
        side: height and width that images are scaled to before they move; their own if None.
    """

    saccades: Saccades
    frames: int
    by: By
    side: int | None = None

    def recorded(self, images: Tensor) -> list[Events]:
        """A simulated recording of each image, (B, C, H, W) in [0, 1]."""
        if self.side is not None:
            size = (self.side, self.side)
            images = torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)
        return simulated(images, self.saccades)

    def binning(self) -> str:
        """How events became frames, in words."""
        return f"{self.frames} frames of equal {self.by}"

    def words(self) -> str:
        """All that the frames depend on besides the images, for a fingerprint."""
        return f"{self.saccades.words()}; side {self.side}; {self.binning()}"


class SimulatedFrames(EventSamples):
    """Event frames of another set's images, simulated when they are first asked for.

    They are kept in memory, a byte a count, where all of the set fit in :data:`CACHE_BYTES`; otherwise they are
    simulated each time.

    Args:
        images: the set of images.
        recipe: how they become frames.
    """

    def __init__(self, images: Samples, recipe: Recipe) -> None:
        super().__init__(images.labels, images.ids)
        self.recipe, self.by = recipe, recipe.by
        self._made = _Made(images, recipe)
        self._rows = torch.arange(len(images))

    def images(self, positions: Tensor) -> Tensor:
        """The frames at these rows, float32 (B, F, 2, H, W) holding whole numbers."""
        return self._made(self._rows[positions]).to(torch.float32)

    def events(self, position: int) -> Events:
        """See :meth:`Samples.events`; simulated each time."""
        return self.recipe.recorded(self._made.source.images(self._rows[position].reshape(1)))[0]

    def subset(self, positions: Tensor) -> SimulatedFrames:
        """See :meth:`Samples.subset`; shares what is kept."""
        part = copy.copy(self)
        Samples.__init__(part, self.labels[positions], self.ids[positions])
        part._rows = self._rows[positions]
        return part


class _Made:
    """The frames of a set as far as they were asked for; shared by a set and its subsets."""

    def __init__(self, source: Samples, recipe: Recipe) -> None:
        self.source, self.recipe = source, recipe
        self.kept = torch.empty(0, dtype=torch.uint8)
        self.ready = torch.zeros(len(source), dtype=torch.bool)

    def __call__(self, rows: Tensor) -> Tensor:
        """uint8 (B, F, 2, H, W)."""
        missing = rows[~self.ready[rows]].unique()
        if not len(missing):
            return self.kept[rows]
        for some in missing.split(BATCH):
            made = self._simulate(some)
            if not self.kept.numel():
                if len(self.ready) * made[0].numel() > CACHE_BYTES:
                    return torch.cat([self._simulate(part) for part in rows.split(BATCH)])
                self.kept = torch.empty(len(self.ready), *made.shape[1:], dtype=torch.uint8)
            self.kept[some], self.ready[some] = made, True
        return self.kept[rows]

    def _simulate(self, rows: Tensor) -> Tensor:
        recipe = self.recipe
        counts = [frames_of(found, recipe.frames, recipe.by) for found in recipe.recorded(self.source.images(rows))]
        return torch.stack(counts).clamp(max=MOST).to(torch.uint8)


def of_images(images: Dataset, name: str, recipe: Recipe) -> Dataset:
    """A dataset of simulated events with the samples, splits and ids of a dataset of images.

    Args:
        images: the dataset whose images move.
        name: the registered name of what comes of it.
        recipe: how images become frames.

    Raises:
        UserError: if it holds event frames already.
    """
    if images.events:
        raise UserError(f"dataset '{images.name}' has event frames already; simulate events of one of images")

    def split(samples: Samples) -> Samples:
        return SimulatedFrames(samples, recipe) if len(samples) else samples

    return replace(
        images,
        name=name,
        channels=POLARITIES,
        height=recipe.side or images.height,
        width=recipe.side or images.width,
        mean=(0.0,) * POLARITIES,
        std=(1.0,) * POLARITIES,
        fingerprint=fingerprint(images.fingerprint, recipe.words()),
        source=f"simulated from {images.name}",
        frames=recipe.frames,
        binning=recipe.binning(),
        train=split(images.train),
        validation=split(images.validation),
        test=split(images.test),
    )
