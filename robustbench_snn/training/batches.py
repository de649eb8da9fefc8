"""Training batches whose content follows from (seed, epoch, batch) alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.randomness import key_of
from robustbench_snn.training.augmentation import Augmentation
from robustbench_snn.training.recipe import Recipe

Prepared = tuple[Tensor, Tensor, Tensor]
"""Augmented images (B, C, H, W), targets (B, K), labels (B,)."""


def seed_everything(*parts: object) -> None:
    """Seeds the global generators of torch, numpy and Python: timm draws from all three."""
    key = key_of(*parts)
    torch.manual_seed(key & (2**63 - 1))
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
    """

    def __init__(
        self, samples: Samples, recipe: Recipe, *, classes: int, mean: tuple[float, ...], seed: int, epoch: int
    ) -> None:
        self.samples = samples
        self.size = batch_size(samples, recipe)
        self.seed = seed
        self.epoch = epoch
        mixing = not recipe.mixup_off_epoch or epoch < recipe.mixup_off_epoch
        self.augmentation = Augmentation(recipe, classes, mean, mixing=mixing)
        generator = torch.Generator().manual_seed(key_of(seed, "order", epoch) & (2**63 - 1))
        self.order = torch.randperm(len(samples), generator=generator)

    def __len__(self) -> int:
        return len(self.order) // self.size

    def __getitem__(self, index: int) -> Prepared:
        rows = self.order[index * self.size : (index + 1) * self.size]
        seed_everything(self.seed, "augmentation", self.epoch, index)
        labels = self.samples.labels[rows]
        images, targets = self.augmentation(self.samples.images(rows), labels)
        return images, targets, labels

    def __iter__(self) -> Iterator[Prepared]:
        return (self[index] for index in range(len(self)))


def batch_size(samples: Samples, recipe: Recipe) -> int:
    """The recipe's batch size, or what a smaller set allows (an even number, where images are mixed)."""
    size = min(recipe.batch_size, len(samples))
    if recipe.mixes:
        size -= size % 2
    if size < 1:
        raise UserError(f"{len(samples)} training images are too few for this recipe; raise train_limit")
    return size
