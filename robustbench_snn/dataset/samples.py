"""Labelled images with stable ids: what datasets give and evaluations take."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@dataclass(frozen=True)
class Batch:
    """Some samples, on the device.

    Attributes:
        images: float32 (B, C, H, W) in [0, 1], or event frames (B, F, C, H, W): non-negative counts.
        labels: int64 (B,).
        ids: int64 (B,), the same for a sample wherever it turns up.
        positions: int64 (B,), rows of the samples in the set they were drawn from.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    positions: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> Batch:
        """Some of these samples."""
        return Batch(self.images[rows], self.labels[rows], self.ids[rows], self.positions[rows])

    def random(self, *seed: object) -> SampleRandom:
        """One stream a sample, on the images' device, from a seed of any parts."""
        return SampleRandom.for_samples(*seed, sample_ids=self.ids, device=self.images.device)


class Samples(ABC):
    """A set of labelled images; labels and ids are in memory, images are fetched as asked for.

    Attributes:
        labels: int64 (N,).
        ids: int64 (N,), unique and stable.
        slow: fetching images takes time, so that a training has a thread of its own fetch them ahead; only where
            :meth:`images` may be called from another thread.
    """

    slow: ClassVar[bool] = False

    def __init__(self, labels: Tensor, ids: Tensor) -> None:
        if labels.shape != ids.shape or labels.ndim != 1:
            raise ValueError(f"labels {tuple(labels.shape)} and ids {tuple(ids.shape)} must be two columns of N")
        self.labels = labels.to(torch.int64)
        self.ids = ids.to(torch.int64)

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def images(self, positions: Tensor) -> Tensor:
        """The images at these rows, int64 (B,), as float32 (B, C, H, W) in [0, 1]; event frames (B, F, C, H, W)."""

    def events(self, position: int) -> Events:
        """The raw events of the recording at this row, where event frames were made from events.

        Raises:
            UserError: if these samples have none.
        """
        raise UserError("these samples have no raw events: they are images, or event frames that came as such")

    @abstractmethod
    def subset(self, positions: Tensor) -> Samples:
        """The samples at these rows, int64 (M,), as a set of their own."""

    def first(self, count: int | None) -> Samples:
        """The first so many samples; all of them where there are no more, or for None."""
        return self if count is None or count >= len(self) else self.subset(torch.arange(count))

    def digest(self) -> str:
        """sha256, in hexadecimal, of ids and labels in order: tells one selection of a dataset from another."""
        columns = torch.stack([self.ids, self.labels]).contiguous()
        return hashlib.sha256(columns.numpy().tobytes()).hexdigest()

    def batches(
        self, size: int, device: torch.device | str = "cpu", positions: Tensor | None = None
    ) -> Iterator[Batch]:
        """All samples, or those at ``positions``, in order, ``size`` at a time."""
        rows = torch.arange(len(self)) if positions is None else positions.cpu()
        for chunk in torch.split(rows, size):
            yield Batch(self.images(chunk).to(device), self.labels[chunk].to(device), self.ids[chunk].to(device), chunk)


class ArraySamples(Samples):
    """Samples whose images are one tensor in memory.

    Args:
        pixels: uint8 (N, C, H, W) on 0..255, or float32 in [0, 1].
        labels: (N,).
        ids: (N,); the row numbers if None.

    Raises:
        ValueError: if the pixels are of another type or shape.
    """

    def __init__(self, pixels: Tensor, labels: Tensor, ids: Tensor | None = None) -> None:
        super().__init__(labels, torch.arange(len(labels)) if ids is None else ids)
        if pixels.ndim != 4 or pixels.dtype not in (torch.uint8, torch.float32) or len(pixels) != len(labels):
            raise ValueError(
                f"pixels must be uint8 or float32 (N, C, H, W) with N = {len(labels)}, "
                f"got {pixels.dtype} {tuple(pixels.shape)}"
            )
        self.pixels = pixels

    @classmethod
    def numbered(cls, pixels: Tensor, labels: Tensor, first_id: int = 0) -> ArraySamples:
        """Samples whose ids count on from ``first_id`` in the order of the rows."""
        return cls(pixels, labels, torch.arange(first_id, first_id + len(labels)))

    def images(self, positions: Tensor) -> Tensor:
        """See :meth:`Samples.images`; uint8 pixels are divided by 255."""
        pixels = self.pixels[positions]
        return pixels.to(torch.float32) / 255.0 if pixels.dtype == torch.uint8 else pixels

    def subset(self, positions: Tensor) -> ArraySamples:
        """See :meth:`Samples.subset`."""
        return ArraySamples(self.pixels[positions], self.labels[positions], self.ids[positions])
