"""Brightness (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "brightness",
    version=1,
    group="weather",
    stochastic=False,
    cifar=((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    imagenet=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
)
def brightness(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    """Adds to the value of HSV; hue and saturation stay.

    With both kept, all channels grow by the ratio of the values, so no hue has to be computed. Black has no
    saturation and becomes grey.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        amount: what is added to V, with V in [0, 1].
    """
    value = images.amax(1, keepdim=True)
    brighter = (value + 255 * amount).clamp_(max=255)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1)), brighter)
