"""Timestamps that are not exact."""

from __future__ import annotations

from dataclasses import replace

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "time_jitter",
    version=1,
    on="events",
    stochastic=True,
    severities=((1000.0,), (5000.0,), (10_000.0,), (25_000.0,), (50_000.0,)),
)
def time_jitter(events: Events, random: SampleRandom, deviation: float) -> Events:
    """Adds Gaussian noise to each event's time.

    As tonic's ``time_jitter`` with ``sort_timestamps``. No event is lost; the recording grows longer by what the noise
    adds at its ends. The deviations are this project's choice.

    Args:
        events: a recording.
        random: one stream.
        deviation: standard deviation in microseconds; times are rounded to whole ones.
    """
    noise = (deviation * random.normal(len(events))[0].double()).round().long()
    return replace(events, t=events.t + noise)
