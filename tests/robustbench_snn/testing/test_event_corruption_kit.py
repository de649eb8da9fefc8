"""Each broken corruption of event data fails the check made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from robustbench_snn.plugins import Events, SampleRandom, register_event_corruption
from robustbench_snn.registry.traits import On
from robustbench_snn.testing import EventCorruptionConformance, check_event_corruption

Function = Callable[[Any, SampleRandom, float], Any]
SEEN: list[Tensor] = []


def fewer(events: Events, random: SampleRandom, share: float) -> Events:
    return events.kept(random.uniform(len(events))[0] >= share)


def earlier(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    """The first columns see nothing."""
    return torch.where(torch.arange(frames.shape[-1]) < 2 + share * frames.shape[-1], 0.0, frames)


def halved(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    return frames * (1.0 - share)


def to_the_right(events: Events, random: SampleRandom, share: float) -> Events:
    return replace(events, y=events.y + round(10 * share))


def in_place(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    frames[..., : 2 + int(share * frames.shape[-1])] = 0.0
    return frames


def global_random(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    return torch.where(torch.rand(frames.shape[-2:]) < share, 0.0, frames)


def by_turns(frames: Tensor, random: SampleRandom, share: float) -> Tensor:
    """Every other recording that it is given gets an event more."""
    SEEN.append(frames)
    return earlier(frames, random, share) + len(SEEN) % 2


def nothing(events: Events, random: SampleRandom, share: float) -> Events:
    return events


def falling(events: Events, random: SampleRandom, share: float) -> Events:
    return fewer(events, random, 0.6 - share)


BROKEN: list[tuple[Function, On, bool, set[str]]] = [
    (halved, "frames", False, {"frames are legal"}),
    (to_the_right, "events", False, {"events are legal"}),
    (in_place, "frames", False, {"input is left alone"}),
    (global_random, "frames", True, {"deterministic under a seed"}),
    (fewer, "events", False, {"stochastic trait"}),
    (earlier, "frames", True, {"stochastic trait"}),
    (by_turns, "frames", False, {"independent of batch"}),
    (nothing, "events", False, {"severity rises"}),
    (falling, "events", True, {"severity rises"}),
]
ROWS = ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,))


def failed(function: Function, on: On, stochastic: bool, **settings: Any) -> dict[str, str]:
    register_event_corruption("broken", version=1, on=on, stochastic=stochastic, severities=ROWS)(function)
    return {r.name: r.reason for r in check_event_corruption("broken", **settings) if not r.passed}


@pytest.mark.parametrize(("function", "on", "stochastic", "checks"), BROKEN)
def test_each_fault_is_caught(function: Function, on: On, stochastic: bool, checks: set[str]) -> None:
    found = failed(function, on, stochastic)
    assert checks <= set(found)
    assert all(found.values())


@pytest.mark.parametrize(("function", "on", "stochastic"), [(fewer, "events", True), (earlier, "frames", False)])
def test_sound_corruptions_pass(function: Function, on: On, stochastic: bool) -> None:
    assert not failed(function, on, stochastic)


def test_severities_may_be_declared_not_to_rise() -> None:
    assert not failed(falling, "events", True, rising=False)


def test_every_check_is_shown_to_fail() -> None:
    checks = {n[5:].replace("_", " ") for n in dir(EventCorruptionConformance) if n.startswith("test_")}
    assert checks == set().union(*(names for *_, names in BROKEN))
