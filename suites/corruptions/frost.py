"""Frost (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._luminance import LUMINANCE
from robustbench_snn.suites.corruptions._textures import photographs


@register_corruption(
    "frost",
    version=1,
    group="weather",
    stochastic=True,
    cifar=((1.0, 0.2, 5), (1.0, 0.3, 5), (0.9, 0.4, 5), (0.85, 0.4, 5), (0.75, 0.45, 5)),
    imagenet=((1.0, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
)
def frost(images: Tensor, random: SampleRandom, keep: float, add: float, every: int) -> Tensor:
    """Adds a random crop of one of five photographs of frost.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        keep: weight of the image in the sum.
        add: weight of the frost in the sum.
        every: the photographs are subsampled to every ``every``-th pixel along both axes.

    Raises:
        UserError: if the photographs are not installed.
    """
    batch, channels, height, width = images.shape
    texels, tops, lefts, starts, widths = _textures(every, height, width, channels, images.device)
    which = random.fold("photograph").integers(len(tops))
    draw = random.fold("place").uniform(2).double()
    top, left = (draw[:, 0] * tops[which]).long(), (draw[:, 1] * lefts[which]).long()
    down = torch.arange(height, device=images.device) + top[:, None]
    right = torch.arange(width, device=images.device) + left[:, None]
    place = starts[which][:, None, None] + down[:, :, None] * widths[which][:, None, None] + right[:, None, :]
    crop = texels[:, place].transpose(0, 1)
    assert crop.shape == (batch, channels, height, width), crop.shape
    return images * keep + crop * add


@lru_cache(maxsize=8)
def _textures(
    every: int, height: int, width: int, channels: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """All photographs side by side, so that one gather takes a crop of each.

    The original's bilinear reduction to a fifth has its samples on every fifth pixel, beginning with the third, so it
    is plain subsampling. Photographs smaller than the image are enlarged to hold it (the original never needs to).

    Returns:
        texels: uint8 (channels, K), the pixels of all photographs, row by row.
        tops: int64 (5,), how many rows a crop of each photograph can begin at.
        lefts: int64 (5,), how many columns it can begin at.
        starts: int64 (5,), where each photograph begins in ``texels``.
        widths: int64 (5,), pixels in a row of each photograph.
    """
    textures = []
    for photograph in photographs():
        first = every // 2
        texture = photograph[:, first::every, first::every]
        if channels == 1:
            weights = torch.tensor(LUMINANCE, dtype=torch.float64)[:, None, None]
            texture = (texture * weights).sum(0, keepdim=True).round_().to(torch.uint8)
        factor = max((height + 1) / texture.shape[1], (width + 1) / texture.shape[2])
        if factor > 1:
            size = [math.ceil(side * factor) for side in texture.shape[1:]]
            texture = F.interpolate(texture[None].float(), size, mode="bilinear", align_corners=False)[0]
            texture = texture.round_().to(torch.uint8)
        textures.append(texture)
    sizes = torch.tensor([texture.shape[1:] for texture in textures])
    lengths = sizes.prod(1)
    row = torch.cat([texture.flatten(1) for texture in textures], dim=1)
    facts = (sizes[:, 0] - height, sizes[:, 1] - width, lengths.cumsum(0) - lengths, sizes[:, 1])
    tops, lefts, starts, widths = (fact.to(device) for fact in facts)
    return row.to(device), tops, lefts, starts, widths
