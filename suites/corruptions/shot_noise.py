"""Shot noise (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.special import gammaln, xlogy
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._alias import alias_tables

_LEVELS = np.arange(256)
_FRACTION = 24  # bits of a draw that decide between a cell and its alias


@register_corruption(
    "shot_noise",
    version=1,
    group="noise",
    stochastic=True,
    cifar=((500.0,), (250.0,), (100.0,), (75.0,), (50.0,)),
    imagenet=((60.0,), (25.0,), (12.0,), (5.0,), (3.0,)),
)
def shot_noise(images: Tensor, random: SampleRandom, photons: float) -> Tensor:
    """Replaces a pixel x in [0, 1] by Poisson(x · photons) / photons.

    There are only 256 rates, so each has a table from which one draw and one look-up give the count.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        photons: expected count of a white pixel.
    """
    table, lowest = _tables(photons, images.device)
    cells = table.shape[1]
    levels = images.long()
    bits = random.bits(*images.shape[1:])
    fraction = bits & ((1 << _FRACTION) - 1)
    cell = bits.bitwise_right_shift_(_FRACTION).bitwise_and_(cells - 1)
    entry = table.flatten()[levels * cells + cell]
    threshold = entry & ((2 << _FRACTION) - 1)
    detour = entry.bitwise_right_shift_(_FRACTION + 1).masked_fill_(fraction < threshold, 0)
    counts = detour.add_(cell).add_(lowest[levels])
    return counts.to(torch.float32).mul_(255 / photons)


@lru_cache(maxsize=16)
def _tables(photons: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Alias tables of the Poisson distributions of all grey levels, each over a window around its mean.

    Returns:
        (256, cells), int64: the way from the cell to its alias, times 2^25, plus the threshold in units of 2^-24;
        and (256,), int64, the count that cell 0 of a level stands for.
    """
    rates = _LEVELS / 255 * photons
    reach = 7 * np.sqrt(rates) + 12  # what lies outside has a probability below 2^-33
    lowest = np.maximum(0, np.floor(rates - reach)).astype(np.int64)
    cells = 1 << int(np.ceil(rates + reach - lowest).max()).bit_length()
    counts = lowest[:, None] + np.arange(cells)
    chances = np.exp(xlogy(counts, rates[:, None]) - rates[:, None] - gammaln(counts + 1))
    keep, alias = alias_tables(chances / chances.sum(1, keepdims=True))
    threshold = np.round(keep * 2.0**_FRACTION).astype(np.int64)
    entries = (alias - np.arange(cells) << _FRACTION + 1) + threshold
    return torch.from_numpy(entries).to(device), torch.from_numpy(lowest).to(device)
