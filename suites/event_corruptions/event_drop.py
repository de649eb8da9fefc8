"""Random loss of events (EventDrop, Gu et al., 2021, arXiv:2106.05836)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import chosen, counted, one_by_one, share_of


@register_event_corruption(
    "event_drop", version=1, on="frames", stochastic=True, severities=((0.1,), (0.25,), (0.5,), (0.75,), (0.9,))
)
def event_drop(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    """Drops a share of the recording's events, all with equal chance.

    As tonic's ``drop_event``. EventDrop augments with shares of many sizes; these five are this project's choice.

    Args:
        frames: (F, 2, H, W), counts.
        random: one stream.
        share: of the events; the nearest whole number of them is dropped.
    """
    places = one_by_one(frames)
    dropped = share_of(share, len(places))
    return counted(places[chosen(random, len(places), len(places))[dropped:]], frames)
