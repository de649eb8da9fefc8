"""Hot pixels: a few that report all the time."""

from __future__ import annotations

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import chosen, share_of, with_noise


@register_event_corruption(
    "hot_pixels",
    version=1,
    on="events",
    stochastic=True,
    severities=((0.01, 100.0), (0.02, 100.0), (0.04, 100.0), (0.08, 100.0), (0.15, 100.0)),
)
def hot_pixels(events: Events, random: SampleRandom, share: float, rate: float) -> Events:
    """Adds Poisson events of both polarities at a share of the pixels, which report what they saw as well.

    Every recording draws hot pixels of its own. The values are this project's choice.

    Args:
        events: a recording.
        random: one stream.
        share: of the pixels; the nearest whole number, 1 or more.
        rate: events a hot pixel and second.
    """
    whole = events.height * events.width
    hot = chosen(random.fold("which"), max(1, share_of(share, whole)), whole)
    return with_noise(events, random, rate, hot)
