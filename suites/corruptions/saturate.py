"""Saturation (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom


@register_corruption(
    "saturate",
    version=1,
    group="digital",
    stochastic=False,
    cifar=((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
    imagenet=((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
)
def saturate(images: Tensor, random: SampleRandom, factor: float, offset: float) -> Tensor:
    """Scales and shifts the saturation of HSV; hue and value stay.

    A channel is V (1 - S k), where k in [0, 1] is its distance from the largest one and depends on the hue alone.
    Greys have hue 0, as in the original: with an offset they turn red. Single-channel images are returned unchanged:
    they are the value V, which stays.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: not used.
        factor: what S is multiplied by.
        offset: what is added to S after that; the sum is clipped to [0, 1].
    """
    if images.shape[1] == 1:
        return images.clone()
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = value - least
    saturation = (spread / value.clamp(min=1) * factor + offset).clamp_(0, 1)
    red = torch.tensor([0.0, 1.0, 1.0], device=images.device).reshape(1, 3, 1, 1)
    distance = torch.where(spread > 0, (value - images) / spread.clamp(min=1), red)
    return value * (1 - saturation * distance)
