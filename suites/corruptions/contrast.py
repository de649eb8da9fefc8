"""Contrast (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "contrast",
    version=1,
    group="digital",
    stochastic=False,
    cifar=((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    imagenet=((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
)
def contrast(images: Tensor, random: SampleRandom, factor: float) -> Tensor:
    """Moves all pixels towards their channel's mean over the image.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        factor: share of the distance to the mean that is left.
    """
    mean = images.double().mean((2, 3), keepdim=True)  # a sum of whole numbers: exact in any order
    return images.mul(factor).add_((mean * (1 - factor)).float())
