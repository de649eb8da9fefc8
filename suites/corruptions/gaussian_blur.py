"""Gaussian blur (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import smooth


@register_corruption(
    "gaussian_blur",
    version=1,
    group="blur",
    stochastic=False,
    cifar=((0.4,), (0.6,), (0.7,), (0.8,), (1.0,)),
    imagenet=((1.0,), (2.0,), (3.0,), (4.0,), (6.0,)),
)
def gaussian_blur(images: Tensor, random: SampleRandom, sigma: float) -> Tensor:
    """Smooths with a Gaussian.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        sigma: standard deviation of the Gaussian in pixels.
    """
    return smooth(images, sigma)
