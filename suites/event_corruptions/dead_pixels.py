"""Dead pixels: some that never report."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import chosen, share_of


@register_event_corruption(
    "dead_pixels", version=1, on="frames", stochastic=True, severities=((0.05,), (0.1,), (0.2,), (0.35,), (0.5,))
)
def dead_pixels(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    """Drops all events of a share of the pixels.

    As tonic's ``drop_pixel``, which is given the pixels; here every recording draws its own. The shares are this
    project's choice.

    Args:
        frames: (F, 2, H, W), counts.
        random: one stream.
        share: of the pixels; the nearest whole number, 1 or more.
    """
    whole = frames.shape[-2] * frames.shape[-1]
    alive = torch.ones(whole)
    alive[chosen(random, max(1, share_of(share, whole)), whole)] = 0.0
    return frames * alive.reshape(frames.shape[-2:])
