"""Augmentation of training images, all of it in raw pixels on [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from robustbench_snn.randomness import Share
from robustbench_snn.training.randaugment import RandAugment
from robustbench_snn.training.recipe import Recipe

if TYPE_CHECKING:
    from timm.data.mixup import Mixup


class Augmentation:
    """Everything a recipe does to a batch, from the global generators of torch, numpy and Python.

    Args:
        recipe: which augmentations, how strong.
        classes: number of classes K.
        mean: mean of each channel: what erased rectangles and rotated corners are filled with.
        mixing: mix images in this epoch.
        share: which images of the batch are given; their numbers are drawn for the whole of it, so that they become
            what they become among all. Where images are mixed, its rows are closed under i -> size - 1 - i. None
            where the batch is given whole.
    """

    def __init__(
        self, recipe: Recipe, classes: int, mean: Sequence[float], *, mixing: bool, share: Share | None = None
    ) -> None:
        from timm.data.mixup import Mixup, mixup_target  # seconds to import: only where something is trained
        from timm.data.random_erasing import RandomErasing

        self.recipe, self.share = recipe, share
        self.mean = mean
        self.mix: Mixup | None = None
        if mixing and recipe.mixes:
            self.mix = Mixup(recipe.mixup, recipe.cutmix, label_smoothing=recipe.label_smoothing, num_classes=classes)
        self.randaugment = None if recipe.randaugment is None else RandAugment(recipe.randaugment, mean)
        self._targets = partial(mixup_target, num_classes=classes, smoothing=recipe.label_smoothing)
        self.erase = RandomErasing(probability=recipe.random_erasing, mode="const", device="cpu")

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Augments a batch.

        Args:
            images: float32 (B, C, H, W) in [0, 1].
            labels: int64 (B,).

        Returns:
            images likewise, and targets, float32 (B, K), each row summing to 1.
        """
        recipe = self.recipe
        if recipe.crop_padding:
            images = random_crop(images, recipe.crop_padding, self.share)
        if recipe.horizontal_flip:
            flipped = self._own(torch.rand(self._size(images))) < recipe.horizontal_flip
            images = torch.where(flipped[:, None, None, None], images.flip(3), images)
        if self.randaugment is not None:
            images = self.randaugment(images, self.share)
        if self.mix is None:
            return self._erase(images), self._targets(labels)
        mixed, targets = self.mix(images.clone(), labels)  # in place, each image with its mirror in the batch
        return self._erase(mixed), targets

    def _erase(self, images: Tensor) -> Tensor:
        if not self.recipe.random_erasing:
            return images
        kept = self._own(self.erase(torch.ones(self._size(images), 1, *images.shape[2:]))).bool()
        return torch.where(kept, images, torch.tensor(self.mean).reshape(1, -1, 1, 1))

    def _size(self, images: Tensor) -> int:
        return len(images) if self.share is None else self.share.size

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn if self.share is None else drawn[self.share.rows]


def random_crop(images: Tensor, padding: int, share: Share | None = None) -> Tensor:
    """Crops each image at a place of its own from itself with a black border of ``padding`` pixels."""
    batch, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, [padding] * 4)
    places = torch.randint(0, 2 * padding + 1, (2, batch if share is None else share.size, 1))
    top, left = places if share is None else places[:, share.rows]
    rows = (top + torch.arange(height))[:, None, :, None]
    columns = (left + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(batch)[:, None, None, None], torch.arange(images.shape[1])[:, None, None], rows, columns]
