"""Background activity: events without a cause, everywhere."""

from __future__ import annotations

import torch

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.event.stream import Events
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import with_noise


@register_event_corruption(
    "background_activity",
    version=1,
    on="events",
    stochastic=True,
    severities=((1.0,), (2.0,), (5.0,), (10.0,), (20.0,)),
)
def background_activity(events: Events, random: SampleRandom, rate: float) -> Events:
    """Adds Poisson events at every pixel, uniform in time, place and polarity.

    As tonic's ``uniform_noise``, whose number of events is fixed; here it is Poisson, as shot noise of a sensor (v2e,
    Hu et al., 2021, arXiv:2006.07722). The rates are this project's choice.

    Args:
        events: a recording.
        random: one stream.
        rate: events a pixel and second.
    """
    return with_noise(events, random, rate, torch.arange(events.height * events.width))
