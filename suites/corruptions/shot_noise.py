"""Shot noise (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.special import pdtr
from torch import Tensor

from robustbench_snn.corrupting import register_corruption
from robustbench_snn.randomness import SampleRandom

_LEVELS = 256
_TAIL = 2.0**-25  # uniform draws lie on a grid of 2^-24: no draw falls beyond


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

    The Poisson draw inverts the distribution function, one table for each of the 256 grey levels, so that one
    uniform draw a value suffices.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        photons: expected count of a white pixel.
    """
    steps, first = _distribution(photons, images.device)
    query = random.uniform(*images.shape[1:]).double().add_(images)
    counts = torch.searchsorted(steps, query, right=True)
    return counts.add_(first[images.long()]).to(torch.float32).mul_(255 / photons)


@lru_cache(maxsize=16)
def _distribution(photons: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """The distribution functions of all levels behind one another, and what a position in them stands for.

    Returns:
        ascending (K,), float64: level + P(count <= k) for the k that matter at that level; and (256,), int64, to
        be added to a position found in it to give the count.
    """
    counts = np.arange(int(photons + 12 * photons**0.5 + 30))
    steps, first, length = [], [], 0
    for level in range(_LEVELS):
        cumulative = pdtr(counts, level / 255 * photons)
        kept = np.flatnonzero((cumulative > _TAIL) & (cumulative < 1 - _TAIL))
        smallest = int(np.searchsorted(cumulative, _TAIL, side="right"))
        steps.append(level + cumulative[kept])
        first.append(smallest - length)
        length += len(kept)
    return torch.from_numpy(np.concatenate(steps)).to(device), torch.tensor(first, device=device)
