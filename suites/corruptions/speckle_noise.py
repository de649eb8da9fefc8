"""Speckle noise (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "speckle_noise",
    version=1,
    group="noise",
    stochastic=True,
    cifar=((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)),
    imagenet=((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
)
def speckle_noise(images: Tensor, random: SampleRandom, sigma: float) -> Tensor:
    """Adds white noise in proportion to the pixel.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        sigma: standard deviation of the noise, as a share of the pixel.
    """
    return random.normal(*images.shape[1:]).mul_(sigma).add_(1).mul_(images)
