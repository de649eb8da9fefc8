"""Corrupted images as a set of samples, fetched batch by batch: generated here, or read from a published set."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.corruption.generate import corrupt
from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import DatasetError


class CorruptedSamples(Samples):
    """Samples whose images are corrupted as they are fetched; never all in memory at once.

    Args:
        samples: the clean ones.
        corruption: a registered corruption's name.
        severity: 1 to 5.
        seed: with the sample's id, the key of the corruption's random numbers.
        device: where to corrupt.
    """

    def __init__(self, samples: Samples, corruption: str, severity: int, seed: int, device: str = "cpu") -> None:
        super().__init__(samples.labels, samples.ids)
        self.samples = samples
        self.corruption = corruption
        self.severity = severity
        self.seed = seed
        self.device = device

    def images(self, positions: Tensor) -> Tensor:
        clean = self.samples.images(positions).to(self.device)
        return corrupt(clean, self.corruption, self.severity, self.seed, sample_ids=self.ids[positions.cpu()])

    def subset(self, positions: Tensor) -> CorruptedSamples:
        part = self.samples.subset(positions)
        return CorruptedSamples(part, self.corruption, self.severity, self.seed, self.device)


class PublishedSamples(Samples):
    """The images of a published set that stand for these samples, read as they are fetched.

    Args:
        samples: the clean ones; their ids say which images of the set stand for them.
        published: the set.
        corruption: one of its types.
        severity: 1 to 5.

    Raises:
        DatasetError: if the set does not hold a sample, or the labels differ.
    """

    def __init__(self, samples: Samples, published: PublishedCorruptions, corruption: str, severity: int) -> None:
        super().__init__(samples.labels, samples.ids)
        self.published = published
        self.corruption = corruption
        self.severity = severity
        self.rows = torch.tensor(published.rows(self.ids.tolist()), dtype=torch.int64)
        labels = torch.tensor(published.labels(corruption, severity))[self.rows]
        different = int((labels != self.labels).sum())
        if different:
            raise DatasetError(
                f"{different} of {len(self)} labels of {published.kind} at {published.root} are not those of the "
                "evaluated samples: evaluate on the test set that it was made from"
            )

    def images(self, positions: Tensor) -> Tensor:
        rows = self.rows[positions.cpu()].tolist()
        found = [self.published.images(self.corruption, self.severity, row, row + 1) for row in rows]
        pixels = torch.from_numpy(np.concatenate(found)).permute(0, 3, 1, 2)
        return pixels.to(torch.float32) / 255.0

    def subset(self, positions: Tensor) -> PublishedSamples:
        part = copy(self)
        part.labels, part.ids, part.rows = (column[positions] for column in (self.labels, self.ids, self.rows))
        return part
