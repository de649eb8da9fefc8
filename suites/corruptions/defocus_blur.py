"""Defocus blur (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import Matrix, band_matrix, fixed_point, map_separably


@register_corruption(
    "defocus_blur",
    version=1,
    group="blur",
    stochastic=False,
    cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
    imagenet=((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
)
def defocus_blur(images: Tensor, random: SampleRandom, radius: float, alias_blur: float) -> Tensor:
    """Convolves with a disk.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        radius: radius of the disk, in pixels.
        alias_blur: standard deviation of the Gaussian that softens the disk's rim, in pixels.
    """
    height, width = images.shape[-2:]
    total = torch.zeros_like(images, dtype=torch.float64)
    for rows, columns in _maps(radius, alias_blur, height, width, images.device):
        total += map_separably(images, rows, columns)
    return total


def disk_kernel(radius: float, alias_blur: float) -> Matrix:
    """The original's kernel: a disk on a grid of at least 17 x 17, smoothed by 3 x 3 taps, or 5 x 5 above radius 8."""
    reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    distance = np.arange(-reach, reach + 1) ** 2
    disk = (distance[:, None] + distance <= radius**2).astype(np.float64)
    disk /= disk.sum()
    tap = np.exp(-0.5 * (np.arange(-taps, taps + 1) / alias_blur) ** 2)
    smoothing = band_matrix(len(distance), tap / tap.sum())
    kernel: Matrix = smoothing @ disk @ smoothing.T
    return kernel


@lru_cache(maxsize=16)
def _maps(
    radius: float, alias_blur: float, height: int, width: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """The kernel as a short sum of separable ones (its singular vectors), each as matrices of rows and columns."""
    left, values, right = np.linalg.svd(disk_kernel(radius, alias_blur))
    maps = []
    for rank in np.flatnonzero(values > 1e-7 * values[0]):
        scale = np.sqrt(values[rank])
        pair = [band_matrix(size, scale * vector) for size, vector in ((height, left[:, rank]), (width, right[rank]))]
        maps.append(tuple(torch.from_numpy(fixed_point(matrix)).to(device) for matrix in pair))
    return [(rows, columns) for rows, columns in maps]
