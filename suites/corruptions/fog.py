"""Fog (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._plasma import plasma


@register_corruption(
    "fog",
    version=1,
    group="weather",
    stochastic=True,
    cifar=((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
    imagenet=((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
)
def fog(images: Tensor, random: SampleRandom, strength: float, decay: float) -> Tensor:
    """Adds a plasma fractal and scales the sum back so that it does not exceed the image's brightest value.

    The fractal is as large as the next power of two (32 for CIFAR, 256 for ImageNet, as in the original).

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        strength: grey level of the densest fog, with pixels in [0, 1]; may exceed 1.
        decay: how fast the fractal's detail fades.
    """
    height, width = images.shape[-2:]
    size = max(2, 1 << (max(height, width) - 1).bit_length())
    clouds = plasma(random, size, decay)[:, None, :height, :width]
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + clouds * (255 * strength)) * (brightest / (brightest + 255 * strength))
