"""Pixels that need a rest after an event: a sensor that saturates."""

from __future__ import annotations

import torch

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "refractory",
    version=1,
    on="events",
    stochastic=False,
    severities=((1000,), (10_000,), (20_000,), (40_000,), (80_000,)),
)
def refractory(events: Events, random: SampleRandom, period: int) -> Events:
    """Keeps an event if its pixel's previous one is longer ago than the period.

    As in tonic's ``refractory_period``, the previous one counts whether it was kept or not, so that a pixel whose
    events come too soon falls silent; both polarities of a pixel count together. A pixel's first event stays. The
    periods are this project's choice; the second is tonic's default.

    Args:
        events: a recording, in the order of time.
        random: not used.
        period: in microseconds.
    """
    pixel = events.y.long() * events.width + events.x
    order = pixel.argsort(stable=True)  # pixel by pixel, each in the order of time
    again = pixel[order].diff() == 0
    soon = again & (events.t[order].diff() <= period)
    kept = torch.ones(len(events), dtype=torch.bool)
    kept[order[1:]] = ~soon
    return events.kept(kept)
