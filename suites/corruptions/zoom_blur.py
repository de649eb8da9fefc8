"""Zoom blur (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import Matrix, fixed_point
from robustbench_snn.suites.corruptions._zoom import zoom_matrix

_DENSE_UP_TO = 1600  # pixels: a matrix over all of them is then faster than one pair of matrices a factor


@register_corruption(
    "zoom_blur",
    version=1,
    group="blur",
    stochastic=False,
    cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
)
def zoom_blur(images: Tensor, random: SampleRandom, end: float, step: float) -> Tensor:
    """Averages the image and its zooms by 1, 1 + step, ... below ``end``.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        end: the factors stop before this one.
        step: difference of successive factors.
    """
    height, width = images.shape[-2:]
    factors = np.arange(1, end, step)
    if height * width <= _DENSE_UP_TO:
        dense = _dense(end, step, height, width, images.device)
        total = (images.double().flatten(2) @ dense).reshape(images.shape)
    else:
        total = torch.zeros_like(images, dtype=torch.float64)
        for factor in factors.tolist():
            rows, columns = (_taps(size, factor, images.device) for size in (height, width))
            total += _blend(_blend(images.double(), -2, rows), -1, columns)
    return total.add_(images).div_(len(factors) + 1)


@lru_cache(maxsize=16)
def _dense(end: float, step: float, height: int, width: int, device: torch.device) -> Tensor:
    """The sum over all factors as one matrix over pixels, (H·W, H·W), float64, to be multiplied from the right."""
    total: Matrix = np.zeros((height * width, height * width))
    for factor in np.arange(1, end, step):
        total += np.kron(zoom_matrix(height, factor), zoom_matrix(width, factor))
    return torch.from_numpy(fixed_point(total, bits=39)).T.contiguous().to(device)


@lru_cache(maxsize=256)
def _taps(size: int, factor: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The two sources of every sample, and the weight of the second."""
    matrix = fixed_point(zoom_matrix(size, factor))
    first = (matrix > 0).argmax(1)
    second = size - 1 - (matrix[:, ::-1] > 0).argmax(1)
    weight = np.where(second > first, matrix[np.arange(size), second], 0.0)
    return torch.from_numpy(first).to(device), torch.from_numpy(second).to(device), torch.from_numpy(weight).to(device)


def _blend(images: Tensor, axis: int, taps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Interpolates along one axis, -2 or -1, between the two sources that :func:`_taps` gives for each sample."""
    first, second, weight = taps
    shape = (-1, 1) if axis == -2 else (-1,)
    start = images.index_select(axis, first)
    return images.index_select(axis, second).sub_(start).mul_(weight.reshape(shape)).add_(start)
