"""Events of the wrong polarity."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import POLARITIES
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import counted, one_by_one


@register_event_corruption(
    "polarity_flip", version=1, on="frames", stochastic=True, severities=((0.05,), (0.1,), (0.2,), (0.35,), (0.5,))
)
def polarity_flip(frames: Tensor, random: SampleRandom, chance: float) -> Tensor:
    """Each event turns from ON to OFF or back, with some chance.

    At 0.5 polarity says nothing any more. tonic's ``flip_polarity`` turns all events of a recording instead. The
    chances are this project's choice.

    Args:
        frames: (F, 2, H, W), counts.
        random: one stream.
        chance: of each event, alone.
    """
    places, area = one_by_one(frames), frames.shape[-2] * frames.shape[-1]
    on = places // area % POLARITIES == 0
    flipped = random.uniform(len(places))[0] < chance
    return counted(places + torch.where(on, area, -area) * flipped, frames)
