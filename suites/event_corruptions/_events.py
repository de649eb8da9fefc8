"""What several corruptions share: events of frames one by one, events that are added, and events that move."""

from __future__ import annotations

import math

import torch
from scipy.special import pdtr, pdtrik
from torch import Tensor

from robustbench_snn.event.stream import POLARITIES, Events
from robustbench_snn.randomness import SampleRandom


def one_by_one(frames: Tensor) -> Tensor:
    """The place of each event in the flattened frames, int64 (N,), in their order."""
    counts = frames.flatten().to(torch.int64)
    return torch.arange(len(counts)).repeat_interleave(counts)


def counted(places: Tensor, frames: Tensor) -> Tensor:
    """Frames of the shape and type of others, with an event at each place."""
    return torch.bincount(places, minlength=frames.numel()).reshape(frames.shape).to(frames.dtype)


def chosen(random: SampleRandom, count: int, of: int) -> Tensor:
    """``count`` different numbers below ``of``, each set of them with equal chance, int64 (count,) without order."""
    return random.uniform(of)[0].argsort(stable=True)[:count]


def share_of(share: float, whole: int) -> int:
    """The whole number nearest to a share, a half rounded up."""
    return int(share * whole + 0.5)


def with_noise(events: Events, random: SampleRandom, rate: float, pixels: Tensor) -> Events:
    """Adds to each of some pixels the events of a Poisson process, between the first event and the last.

    Args:
        events: a recording; one of no duration gets none.
        random: one stream.
        rate: events a pixel and second, of both polarities together, each with equal chance.
        pixels: int64 (P,), row times width plus column.
    """
    start, duration = (int(events.t[0]), int(events.t[-1] - events.t[0])) if len(events) else (0, 0)
    if not duration:
        return events
    chance = float(random.fold("count").uniform(1)[0, 0]) + 2.0**-25  # the middle of a cell of the draw's grid
    count = poisson(chance, rate * duration * 1e-6 * len(pixels))
    at = pixels[random.fold("pixel").integers(len(pixels), count)[0]]
    return Events(
        torch.cat([events.t, start + random.fold("time").integers(duration + 1, count)[0]]),
        torch.cat([events.x, (at % events.width).to(torch.int16)]),
        torch.cat([events.y, (at // events.width).to(torch.int16)]),
        torch.cat([events.p, random.fold("polarity").integers(POLARITIES, count)[0].to(torch.int8)]),
        events.height,
        events.width,
    )


def poisson(chance: float, mean: float) -> int:
    """The smallest number that a Poisson variable of this mean, above 0, does not exceed with at least this chance."""
    above: int = math.ceil(pdtrik(chance, mean))  # of the distribution between whole numbers: one too high at most
    return above - 1 if above > 0 and pdtr(above - 1, mean) >= chance else above
