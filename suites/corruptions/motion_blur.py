"""Motion blur (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._streak import streak


@register_corruption(
    "motion_blur",
    version=1,
    group="blur",
    stochastic=True,
    cifar=((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)),
    imagenet=((10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)),
)
def motion_blur(images: Tensor, random: SampleRandom, radius: float, sigma: float) -> Tensor:
    """Smears the image along a line at an angle drawn from -45 to 45 degrees.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        radius: length of the smear in pixels.
        sigma: standard deviation in pixels of the half Gaussian along the smear.
    """
    return streak(images, random.uniform() * 90 - 45, radius, sigma)
