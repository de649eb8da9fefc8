"""Gradients that are not finite: taken again from further inside the cube of all images."""

from __future__ import annotations

import torch
from torch import Tensor

DISTANCES = (1e-5, 1.0 / 512.0)
"""How far from the smallest and the largest value, the nearer first: so near that a spiking model hardly answers
otherwise; half a grey level."""


def inside(images: Tensor, distance: float, most: float = 1.0) -> Tensor:
    """Images (n, C, H, W), or event frames (n, F, C, H, W), in [0, most], moved away from its border."""
    return images.clamp(distance, most - distance)


def patched(gradient: Tensor, again: Tensor) -> Tensor:
    """A gradient whose pixels that are not finite are those of the second one."""
    return torch.where(gradient.isfinite(), gradient, again)


def broken(gradient: Tensor) -> Tensor:
    """Rows of a gradient (n, C, H, W) with a pixel that is not finite, int64 (m,)."""
    return (~gradient.isfinite()).flatten(1).any(1).nonzero()[:, 0]
