"""Something dark that passes before the scene."""

from __future__ import annotations

import torch

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "occlusion", version=1, on="events", stochastic=True, severities=((0.1,), (0.25,), (0.5,), (1.0,), (2.0,))
)
def occlusion(events: Events, random: SampleRandom, width: float) -> Events:
    """A dark bar as long as the sensor crosses it, at constant speed, in one of four directions.

    It enters at the first event and has left at the last. Behind it nothing is seen: each pixel loses its events for
    width / (1 + width) of the recording. Its own edges are seen: each pixel reports OFF when it comes and ON when it is
    gone, an event each. The widths, and a single event an edge, are this project's choice.

    Args:
        events: a recording.
        random: one stream.
        width: of the bar along its way, in parts of the sensor's side.
    """
    if not len(events):
        return events
    along_x, backwards = (bool(draw) for draw in random.integers(2, 2)[0])
    side = events.width if along_x else events.height
    place = (torch.arange(side).double() + 0.5) / side
    start, duration = events.t[0], float(events.t[-1] - events.t[0])
    comes = duration * (1.0 - place if backwards else place) / (1.0 + width)  # of each column, or row
    goes = comes + duration * width / (1.0 + width)
    at, since = (events.x if along_x else events.y).long(), (events.t - start).double()
    seen = events.kept((since < comes[at]) | (since > goes[at]))
    row, column = (axis.flatten() for axis in torch.meshgrid(
        torch.arange(events.height), torch.arange(events.width), indexing="ij"
    ))  # fmt: skip
    mine = column if along_x else row
    edges = (start + comes[mine].round().long(), start + goes[mine].round().long())
    return Events(
        torch.cat([seen.t, *edges]),
        torch.cat([seen.x, column.repeat(2).to(torch.int16)]),
        torch.cat([seen.y, row.repeat(2).to(torch.int16)]),
        torch.cat([seen.p, torch.tensor([1, 0], dtype=torch.int8).repeat_interleave(len(mine))]),
        events.height,
        events.width,
    )
