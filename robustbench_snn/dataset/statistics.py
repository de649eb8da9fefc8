"""Mean and standard deviation of images by channel: what encoders normalise by."""

from __future__ import annotations

from typing import TypeAlias

import torch

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.dataset.splits import balanced_order

Statistics: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel on [0, 1]."""

CIFAR10: Statistics = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100: Statistics = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

STATISTICS_SAMPLES = 10_000
"""Statistics of sets that must be decoded first are taken over this many images of the balanced order."""


def channel_statistics(samples: Samples) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel on [0, 1], in float64 over :data:`STATISTICS_SAMPLES` images.

    A channel that never varies gets the standard deviation 1, so that dividing by it is harmless.

    Args:
        samples: usually the training split.

    Returns:
        Two lists of C values.
    """
    count, total, squares = 0, torch.zeros(1), torch.zeros(1)
    for chunk in balanced_order(samples)[:STATISTICS_SAMPLES].sort().values.split(500):
        images = samples.images(chunk).to(torch.float64)
        count += images.numel() // images.shape[1]
        total = total + images.sum((0, 2, 3))
        squares = squares + images.square().sum((0, 2, 3))
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0.0).sqrt()
    return mean.tolist(), torch.where(std < 1e-4, torch.ones_like(std), std).tolist()
