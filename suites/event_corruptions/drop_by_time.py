"""Loss of all events for a while (EventDrop, Gu et al., 2021, arXiv:2106.05836)."""

from __future__ import annotations

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "drop_by_time", version=1, on="events", stochastic=True, severities=((0.1,), (0.2,), (0.35,), (0.5,), (0.7,))
)
def drop_by_time(events: Events, random: SampleRandom, ratio: float) -> Events:
    """Drops all events in a window of time, anywhere between the first event and the last.

    As tonic's ``drop_by_time``, which counts from time 0, not from the first event. The ratios are this project's
    choice; the second is tonic's default.

    Args:
        events: a recording.
        random: one stream.
        ratio: length of the window in parts of the recording's.
    """
    if not len(events):
        return events
    since = (events.t - events.t[0]).double()
    length = ratio * float(since[-1])
    start = float(random.uniform(1)) * (float(since[-1]) - length)
    return events.kept((since < start) | (since > start + length))
