"""Template title: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.plugins import SampleRandom, register_corruption


@register_corruption(
    "template_name",
    version=1,
    group="noise",
    stochastic=True,
    cifar=((0.02,), (0.04,), (0.06,), (0.08,), (0.1,)),
    imagenet=((0.02,), (0.04,), (0.06,), (0.08,), (0.1,)),
)
def template_name(images: Tensor, random: SampleRandom, share: float) -> Tensor:
    """One line for listings: a random share of the pixels turns black, in all channels at once.

    Args:
        images: (B, C, H, W), whole grey levels 0..255.
        random: one stream a sample: all randomness comes from it.
        share: of the pixels, the only entry of a severity's row.
    """
    dead = random.uniform(1, *images.shape[2:]) < share
    return torch.where(dead, 0.0, images)
