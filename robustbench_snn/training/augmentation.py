"""Augmentation of training images, all of it in raw pixels on [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.mixup import Mixup, mixup_target
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from robustbench_snn.training.recipe import Recipe


class Augmentation:
    """Everything a recipe does to a batch, from the global generators of torch, numpy and Python.

    Args:
        recipe: which augmentations, how strong.
        classes: number of classes K.
        mean: mean of each channel: what erased rectangles and rotated corners are filled with.
        mixing: mix images in this epoch.
    """

    def __init__(self, recipe: Recipe, classes: int, mean: Sequence[float], *, mixing: bool) -> None:
        self.recipe = recipe
        self.mean = mean
        self.smoothing, self.classes = recipe.label_smoothing, classes
        self.mix: Mixup | None = None
        if mixing and recipe.mixes:
            self.mix = Mixup(recipe.mixup, recipe.cutmix, label_smoothing=recipe.label_smoothing, num_classes=classes)
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
            images = random_crop(images, recipe.crop_padding)
        if recipe.horizontal_flip:
            flipped = torch.rand(len(images)) < recipe.horizontal_flip
            images = torch.where(flipped[:, None, None, None], images.flip(3), images)
        if recipe.randaugment is not None:
            images = self._randaugment(images, recipe.randaugment)
        if self.mix is None:
            return self._erase(images), mixup_target(labels, self.classes, smoothing=self.smoothing)
        mixed, targets = self.mix(images.clone(), labels)  # in place, each image with its mirror in the batch
        return self._erase(mixed), targets

    def _randaugment(self, images: Tensor, notation: str) -> Tensor:
        mean = tuple(min(255, round(255 * value)) for value in self.mean)
        hparams = {
            "translate_const": int(min(images.shape[2:]) * 0.45),  # timm's choice for small images
            "img_mean": mean if len(mean) == 3 else mean[0],
        }
        transform: Callable[[Image.Image], Image.Image] = rand_augment_transform(notation, hparams)
        pixels = images.mul(255.0).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        done = [np.asarray(transform(Image.fromarray(p.squeeze(2) if p.shape[2] == 1 else p))) for p in pixels]
        stacked = torch.from_numpy(np.stack(done))
        stacked = stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)
        return stacked.to(torch.float32).div(255.0).contiguous()

    def _erase(self, images: Tensor) -> Tensor:
        if not self.recipe.random_erasing:
            return images
        kept = self.erase(torch.ones(len(images), 1, *images.shape[2:])).bool()
        return torch.where(kept, images, torch.tensor(self.mean).reshape(1, -1, 1, 1))


def random_crop(images: Tensor, padding: int) -> Tensor:
    """Crops each image at a place of its own from itself with a black border of ``padding`` pixels."""
    batch, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, [padding] * 4)
    top, left = torch.randint(0, 2 * padding + 1, (2, batch, 1))
    rows = (top + torch.arange(height))[:, None, :, None]
    columns = (left + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(batch)[:, None, None, None], torch.arange(images.shape[1])[:, None, None], rows, columns]
