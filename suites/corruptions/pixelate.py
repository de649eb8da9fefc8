"""Pixelate (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom

_ONE = 2.0**22  # Pillow's fixed point


@register_corruption(
    "pixelate",
    version=1,
    group="digital",
    stochastic=False,
    cifar=((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    imagenet=((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
)
def pixelate(images: Tensor, random: SampleRandom, scale: float) -> Tensor:
    """Shrinks the image and enlarges it again, both with a box filter.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        scale: factor on height and width; the small sizes are rounded down.
    """
    height, width = images.shape[-2:]
    small = max(1, int(height * scale)), max(1, int(width * scale))
    return resize(resize(images.double(), *small), height, width)


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Pillow's box resize of whole grey levels, float64: columns first, each pass rounded to 8 bits."""
    device = images.device
    wide = _round(images @ box_matrix(images.shape[-1], width, device).T)
    return _round(box_matrix(images.shape[-2], height, device) @ wide)


def _round(sums: Tensor) -> Tensor:
    """Sums in fixed point, float64, to whole levels, halves rounded up; overwrites its argument."""
    return sums.mul_(1 / _ONE).add_(0.5).floor_()


@lru_cache(maxsize=64)
def box_matrix(size: int, target: int, device: torch.device) -> Tensor:
    """Weights (target, size) in Pillow's fixed point, as float64: products with 8-bit images are exact.

    A target pixel is the plain mean of the source pixels whose centres fall into its box; when enlarging the box
    is one source pixel wide.
    """
    scale = size / target
    support = 0.5 * max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)[:, None]
    last = np.minimum((centres + support + 0.5).astype(np.int64), size)[:, None]
    source = np.arange(size)
    offset = (source + 0.5 - centres[:, None]) / max(scale, 1.0)
    inside = (source >= first) & (source < last) & (offset > -0.5) & (offset <= 0.5)
    weights = np.floor(inside / inside.sum(1, keepdims=True) * _ONE + 0.5)
    return torch.from_numpy(weights).to(device)
