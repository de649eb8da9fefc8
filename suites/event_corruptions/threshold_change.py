"""Contrast thresholds higher than those of the recording, another at each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "threshold_change",
    version=1,
    on="events",
    stochastic=True,
    severities=((1.25, 0.1), (1.5, 0.2), (2.0, 0.3), (3.0, 0.4), (4.0, 0.5)),
)
def threshold_change(events: Events, random: SampleRandom, factor: float, deviation: float) -> Events:
    """What the same scene would make of pixels with higher thresholds, as far as the recorded events tell.

    An event says that the log brightness of its pixel moved by the threshold C. Added up, events are its course in
    steps of C; a pixel of threshold f C, f of 1 or more, reports whenever that course has moved by f C from where it
    last reported, and its reference moves by f C. For whole f this is, event for event, what
    :func:`~robustbench_snn.event.simulation.simulated` gives with the threshold f C and no refractory time, but for
    changes that it takes for equal to a threshold; else the course is known to C only, and a report comes late by
    less. What stays is always some of the recorded events, so that it holds for recordings of a camera as well.
    Thresholds below C cannot be had: smaller changes left no event.

    Thresholds differ between pixels as in v2e (Hu et al., 2021, arXiv:2006.07722); every recording draws its own. The
    values are this project's choice.

    Args:
        events: a recording, in the order of time.
        random: one stream.
        factor: mean of f over the pixels.
        deviation: standard deviation of f, Gaussian; an f below 1 becomes 1.
    """
    noise = random.normal(events.height * events.width)[0].double()
    return raised(events, (factor + deviation * noise).clamp(min=1.0))


def raised(events: Events, factors: Tensor) -> Events:
    """The events that pixels report whose thresholds are higher.

    Args:
        events: a recording, in the order of time.
        factors: float64 (H * W,), 1 or more: the threshold of each pixel in units of the recording's.
    """
    pixels = (events.y.long() * events.width + events.x).tolist()
    signs = (1.0 - 2.0 * events.p.double()).tolist()
    needed = factors.tolist()
    away = [0.0] * len(needed)  # from where the pixel last reported, in recorded thresholds
    kept = []
    for pixel, sign in zip(pixels, signs, strict=True):
        moved = away[pixel] + sign
        reports = abs(moved) >= needed[pixel]
        away[pixel] = moved - sign * needed[pixel] if reports else moved
        kept.append(reports)
    return events.kept(torch.tensor(kept, dtype=torch.bool))
