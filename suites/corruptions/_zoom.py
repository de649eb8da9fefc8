"""Zooming into the middle of an image, as scipy.ndimage.zoom with linear interpolation does it."""

from __future__ import annotations

import math

import numpy as np

from robustbench_snn.suites.corruptions._linear import Matrix


def crop_of(size: int, factor: float) -> tuple[int, int]:
    """The middle part that a zoom by ``factor`` enlarges to ``size`` samples or a few more: (first sample, length)."""
    length = math.ceil(size / factor)
    return (size - length) // 2, length


def zoom_matrix(size: int, factor: float) -> Matrix:
    """The zoom of one axis as a matrix (size, size): crop, enlarge, trim.

    The first and last sample of the crop keep their places (scipy's default grid), so that the true factor is
    (round(length · factor) - 1) / (length - 1).
    """
    start, length = crop_of(size, factor)
    enlarged = round(length * factor)
    trim = (enlarged - size) // 2
    places = (np.arange(size) + trim) * ((length - 1) / max(1, enlarged - 1))
    below = np.minimum(places.astype(np.int64), max(0, length - 2))
    share = places - below
    weights = np.zeros((size, size))
    index = np.arange(size)
    np.add.at(weights, (index, start + below), 1 - share)
    np.add.at(weights, (index, start + np.minimum(below + 1, length - 1)), share)
    return weights
