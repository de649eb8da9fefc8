"""A camera that shakes."""

from __future__ import annotations

import math
from dataclasses import replace

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "camera_shake",
    version=1,
    on="events",
    stochastic=True,
    severities=((0.75, 10.0), (1.0, 10.0), (1.5, 10.0), (2.0, 10.0), (3.0, 10.0)),
)
def camera_shake(events: Events, random: SampleRandom, amplitude: float, frequency: float) -> Events:
    """Moves all events together by a sine in time along each axis, each of a random phase.

    What leaves the sensor is dropped. A real shake also makes events at edges that stood still; of those a recording
    says nothing, and none are made. The values are this project's choice.

    Args:
        events: a recording.
        random: one stream.
        amplitude: in pixels.
        frequency: in hertz.
    """
    angle = 2.0 * math.pi * frequency * 1e-6 * events.t.double()
    phase = 2.0 * math.pi * random.uniform(2)[0].double()
    right, down = (amplitude * (angle + start).sin() for start in phase)
    column, row = events.x + right.round().to(events.x.dtype), events.y + down.round().to(events.y.dtype)
    inside = (column >= 0) & (column < events.width) & (row >= 0) & (row < events.height)
    return replace(events, x=column, y=row).kept(inside)
