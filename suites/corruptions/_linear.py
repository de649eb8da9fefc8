"""Linear maps of the rows and columns of images, with sums that are exact.

A sum of floating point numbers depends on its order, and so on batch size, threads and device; truncation to 8
bits would make grey levels of the difference. Weights here are whole multiples of 2^-22 (an error below 0.0005 of
a grey level), so that a map of rows and columns of 8-bit images fits into the 53 bits of a float64: every
intermediate sum is exact, and the order does not matter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Matrix = npt.NDArray[np.float64]
BITS = 22


def fixed_point(weights: Matrix, bits: int = BITS) -> Matrix:
    """Rounds weights to multiples of 2^-bits and keeps the sum of each row, so that flat areas stay flat.

    The rounding errors of a row are taken off its largest weight.
    """
    rounded = np.round(weights * 2.0**bits)
    excess = rounded.sum(1) - np.round(weights.sum(1) * 2.0**bits)
    rounded[np.arange(len(weights)), weights.argmax(1)] -= excess
    exact: Matrix = rounded * 2.0**-bits
    return exact


@lru_cache(maxsize=64)
def gaussian_matrix(
    size: int, sigma: float, border: Literal["edge", "mirror"], truncate: float, device: torch.device
) -> Tensor:
    """Gaussian smoothing of ``size`` samples as a matrix (size, size), float64.

    The kernel is sampled at whole distances and sums to 1.

    Args:
        size: number of samples.
        sigma: standard deviation in samples.
        border: ``edge`` repeats the last sample, ``mirror`` reflects about the last sample's outer edge
            (c b a | a b c).
        truncate: reach of the kernel in standard deviations.
        device: of the matrix.
    """
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if radius else np.ones(1)
    kernel /= kernel.sum()
    sources = np.arange(size)[:, None] + offsets
    if border == "edge":
        sources = sources.clip(0, size - 1)
    else:
        sources %= 2 * size
        sources = np.minimum(sources, 2 * size - 1 - sources)
    weights = np.zeros((size, size))
    np.add.at(weights, (np.arange(size)[:, None], sources), kernel)
    return torch.from_numpy(fixed_point(weights)).to(device)


def band_matrix(size: int, kernel: Matrix) -> Matrix:
    """Correlation of ``size`` samples with an odd kernel as a matrix; outside, c b | a b c is reflected."""
    reach = len(kernel) // 2
    sources = np.arange(size)[:, None] + np.arange(-reach, reach + 1)
    period = max(1, 2 * size - 2)
    sources %= period
    sources = np.minimum(sources, period - sources)
    weights = np.zeros((size, size))
    np.add.at(weights, (np.arange(size)[:, None], sources), kernel)
    return weights


def map_separably(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Applies one matrix to every column and one to every row: (..., H, W) to float64 (..., H', W').

    Args:
        images: any float type; exact results need whole grey levels.
        rows: (H', H), float64.
        columns: (W', W), float64.
    """
    mapped: Tensor = rows @ (images.double() @ columns.T)
    return mapped


def smooth(
    images: Tensor, sigma: float, *, border: Literal["edge", "mirror"] = "edge", truncate: float = 4.0
) -> Tensor:
    """Gaussian smoothing of (..., H, W), float64, with the borders of scikit-image (edge) by default.

    Args:
        images: whole grey levels, or a random field (see :func:`snap`).
        sigma: standard deviation in pixels; 0 leaves the images as they are.
        border: see :func:`gaussian_matrix`.
        truncate: the kernel's reach in standard deviations.
    """
    if int(truncate * sigma + 0.5) == 0:
        return images.double()
    height, width = images.shape[-2:]
    rows = gaussian_matrix(height, sigma, border, truncate, images.device)
    columns = gaussian_matrix(width, sigma, border, truncate, images.device)
    return map_separably(images, rows, columns)


def snap(field: Tensor) -> Tensor:
    """Rounds a smoothed random field to multiples of 2^-22, far above what the order of a sum can change."""
    return field.mul(2.0**BITS).round_().mul_(2.0**-BITS)
