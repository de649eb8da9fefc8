"""Gaussian noise (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "gaussian_noise",
    version=1,
    group="noise",
    stochastic=True,
    cifar=((0.04,), (0.06,), (0.08,), (0.09,), (0.1,)),
    imagenet=((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
)
def gaussian_noise(images: Tensor, random: SampleRandom, sigma: float) -> Tensor:
    """Adds white noise.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        sigma: standard deviation of the noise, with pixels in [0, 1].
    """
    return random.normal(*images.shape[1:]).mul_(255 * sigma).add_(images)
