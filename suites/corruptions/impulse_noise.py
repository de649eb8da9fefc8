"""Impulse noise (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "impulse_noise",
    version=1,
    group="noise",
    stochastic=True,
    cifar=((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    imagenet=((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
)
def impulse_noise(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    """Sets a share of the values, each channel for itself, to black or white with equal probability.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        amount: probability that a value is replaced.
    """
    draw = random.uniform(*images.shape[1:])
    salted = images.masked_fill(draw < amount, 255.0)
    return salted.masked_fill_(draw < amount / 2, 0.0)
