"""Glass blur (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import smooth, snap


@register_corruption(
    "glass_blur",
    version=1,
    group="blur",
    stochastic=True,
    cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    imagenet=((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
def glass_blur(images: Tensor, random: SampleRandom, sigma: float, reach: int, iterations: int) -> Tensor:
    """Smooths, lets every pixel take the value of a near one, and smooths again.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        sigma: standard deviation of both smoothings, in pixels.
        reach: a pixel's source is off by -reach to reach - 1 rows and columns.
        iterations: passes over the image.
    """
    batch, channels, height, width = images.shape
    sources = torch.arange(height * width, device=images.device).expand(batch, -1)
    for iteration in range(iterations):
        sources = sources.gather(1, shuffle_once(random.fold(iteration), height, width, reach))
    smoothed = snap(smooth(images, sigma)).floor_().float().flatten(2)
    shuffled = smoothed.gather(2, sources[:, None].expand(-1, channels, -1))
    return smooth(shuffled.reshape(images.shape), sigma)


def shuffle_once(random: SampleRandom, height: int, width: int, reach: int) -> Tensor:
    """Where each pixel's value comes from after one pass over the image.

    Args:
        random: one stream a sample.
        height: of the image, in pixels.
        width: of the image, in pixels.
        reach: see :func:`glass_blur`.

    Returns:
        flat indices (B, H·W), int64.
    """
    pixels = torch.arange(height * width, device=random.keys.device)
    row, column = pixels // width, pixels % width
    turns = (row > reach) & (row <= height - reach) & (column > reach) & (column <= width - reach)
    bits = random.bits(height * width)
    down = ((bits & 0x7FFFFFFF) * (2 * reach) >> 31) - reach
    right = ((bits >> 32 & 0x7FFFFFFF) * (2 * reach) >> 31) - reach
    return follow(torch.where(turns, pixels + down * width + right, pixels), turns)


def follow(partners: Tensor, turns: Tensor) -> Tensor:
    """Where values come from if pixels copy their partners one after another, last pixel first.

    The original's exchange of two pixels is such a copy, for it exchanges views of one array: pixel i takes what
    its partner holds at that moment. That is the partner's new value if its turn came before, else its old one.
    So every pixel points at another one's new or old value; following all pointers at once, twice as far each
    time, replaces the loop over pixels.

    Args:
        partners: (B, P), int64, the pixel that each one copies; itself where it has no turn.
        turns: (P,), bool, which pixels have a turn.

    Returns:
        (B, P), int64.
    """
    batch, count = partners.shape
    pixels = torch.arange(count, device=partners.device)
    came_before = turns[partners] & (partners > pixels)
    pointer = torch.where(came_before, partners, partners + count)  # old values lie behind the new ones
    old = (pixels + count).expand(batch, -1)
    while bool((pointer < count).any()):
        pointer = torch.cat([pointer, old], dim=1).gather(1, pointer)
    return pointer - count
