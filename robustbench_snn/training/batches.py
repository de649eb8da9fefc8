"""Training batches whose content follows from (seed, epoch, batch) alone."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.randomness import key_of
from robustbench_snn.training.augmentation import Augmentation
from robustbench_snn.training.ranks import ALONE, Ranks
from robustbench_snn.training.recipe import Recipe

AHEAD = 2
"""Batches that are decoded while others are computed."""

Prepared = tuple[Tensor, Tensor, Tensor]
"""Augmented images (B, C, H, W), targets (B, K), labels (B,)."""


def torch_seed(*parts: object) -> int:
    """What torch's generators are seeded with, from any parts."""
    return key_of(*parts) & (2**63 - 1)


def seed_everything(*parts: object) -> None:
    """Seeds the global generators of torch, numpy and Python: timm draws from all three."""
    key = key_of(*parts)
    torch.manual_seed(torch_seed(*parts))
    np.random.seed(key & (2**32 - 1))
    random.seed(key)


class TrainingBatches:
    """The batches of one epoch; each can be made alone, in any order.

    Args:
        samples: the training samples.
        recipe: batch size and augmentation.
        classes: number of classes K.
        mean: mean of each channel.
        seed: seed of the training.
        epoch: counts from 0.
        ranks: of several processes, whose share of each batch is made: of all images the same ones, augmented as one
            process would.
    """

    def __init__(
        self,
        samples: Samples,
        recipe: Recipe,
        *,
        classes: int,
        mean: tuple[float, ...],
        seed: int,
        epoch: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.samples = samples
        self.size = batch_size(samples, recipe)
        self.seed = seed
        self.epoch = epoch
        mixing = not recipe.mixup_off_epoch or epoch < recipe.mixup_off_epoch
        self.share = ranks.share(self.size, mirrored=recipe.mixes)
        self.augmentation = Augmentation(recipe, classes, mean, mixing=mixing, share=self.share)
        generator = torch.Generator().manual_seed(torch_seed(seed, "order", epoch))
        self.order = torch.randperm(len(samples), generator=generator)

    def __len__(self) -> int:
        return len(self.order) // self.size

    def __getitem__(self, index: int) -> Prepared:
        return self._augmented(index, self._fetched(index))

    def __iter__(self) -> Iterator[Prepared]:
        if not self.samples.slow:
            yield from (self[index] for index in range(len(self)))
            return
        pool = ThreadPoolExecutor(1, "prefetch")  # only decodes; augmentation draws from the global generators
        try:
            ahead = deque(pool.submit(self._fetched, index) for index in range(min(AHEAD, len(self))))
            for index in range(len(self)):
                images = ahead.popleft().result()
                if index + AHEAD < len(self):
                    ahead.append(pool.submit(self._fetched, index + AHEAD))
                yield self._augmented(index, images)
        finally:
            pool.shutdown(cancel_futures=True)

    def _rows(self, index: int) -> Tensor:
        rows = self.order[index * self.size : (index + 1) * self.size]
        return rows if self.share is None else rows[self.share.rows]

    def _fetched(self, index: int) -> Tensor:
        return self.samples.images(self._rows(index))

    def _augmented(self, index: int, images: Tensor) -> Prepared:
        labels = self.samples.labels[self._rows(index)]
        seed_everything(self.seed, "augmentation", self.epoch, index)
        augmented, targets = self.augmentation(images, labels)
        return augmented, targets, labels


def batch_size(samples: Samples, recipe: Recipe) -> int:
    """The recipe's batch size, or what a smaller set allows (an even number, where images are mixed)."""
    size = min(recipe.batch_size, len(samples))
    if recipe.mixes:
        size -= size % 2
    if size < 1:
        raise UserError(f"{len(samples)} training images are too few for this recipe; raise train_limit")
    return size
