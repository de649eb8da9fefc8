"""Corruptions of frames against their own stated parameters, at every severity."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch import Tensor

from robustbench_snn.corruption.event_contract import ON_FRAMES
from robustbench_snn.corruption.event_samples import corrupt_recording
from robustbench_snn.registry import event_corruptions

SEVERITIES = range(1, 6)
SIDE = 32
Corrupt = Callable[..., Tensor]


def row(name: str, severity: int) -> Any:
    return event_corruptions.get(name).declaration.traits.severities[severity - 1]


def frames(mean: float = 3.0) -> Tensor:
    counts = np.random.default_rng(0).poisson(mean, (4, 2, SIDE, SIDE))
    return torch.from_numpy(counts).float()


def within(found: float, chance: float, count: int) -> bool:
    """Whether a share lies within five standard deviations of a binomial one."""
    return abs(found - chance) < 5 * math.sqrt(chance * (1 - chance) / count)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_event_drop_loses_its_share_everywhere_alike(severity: int) -> None:
    (share,) = row("event_drop", severity)
    before = frames()
    after = corrupt_recording(before, "event_drop", severity)
    assert (after <= before).all()
    events = int(before.sum())
    assert events - int(after.sum()) == math.floor(share * events + 0.5)
    for part in (slice(0, 16), slice(16, 32)):
        kept = float(after[..., part].sum() / before[..., part].sum())
        assert within(kept, 1 - share, int(before[..., part].sum()))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_dead_pixels_are_as_many_as_stated_and_report_nothing(severity: int) -> None:
    (share,) = row("dead_pixels", severity)
    before = frames() + 1
    after = corrupt_recording(before, "dead_pixels", severity)
    dead = (after == 0).all(0).all(0)
    assert int(dead.sum()) == round(share * SIDE * SIDE)
    assert torch.equal(after[..., ~dead], before[..., ~dead])
    assert not torch.equal(dead, (corrupt_recording(before, "dead_pixels", severity, seed=1) == 0).all(0).all(0))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_drop_by_area_empties_a_box_of_the_stated_sides_anywhere(severity: int) -> None:
    (ratio,) = row("drop_by_area", severity)
    before, corners = frames() + 1, set()
    for seed in range(60):
        after = corrupt_recording(before, "drop_by_area", severity, seed)
        empty = (after == 0).all(0).all(0)
        rows, columns = empty.any(1).nonzero()[:, 0], empty.any(0).nonzero()[:, 0]
        side = int(ratio * SIDE)
        assert len(rows) == len(columns) == rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == side
        assert int(empty.sum()) == side**2
        assert torch.equal(after[..., ~empty], before[..., ~empty])
        corners |= {("first", int(rows[0]) == 0), ("last", int(rows[-1]) == SIDE - 1)}
    if severity == 5:  # eleven places along an axis: both ends are found in sixty draws
        assert {("first", True), ("last", True)} <= corners


@pytest.mark.parametrize("severity", SEVERITIES)
def test_polarity_flip_turns_its_share_and_moves_nothing(severity: int) -> None:
    (chance,) = row("polarity_flip", severity)
    before = frames()
    after = corrupt_recording(before, "polarity_flip", severity)
    assert torch.equal(after.sum(1), before.sum(1))
    for polarity in (0, 1):
        one = torch.zeros_like(before)
        one[:, polarity] = before[:, polarity]
        turned = corrupt_recording(one, "polarity_flip", severity)[:, 1 - polarity].sum() / one.sum()
        assert within(float(turned), chance, int(one.sum()))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_spatial_jitter_has_the_stated_deviation(severity: int) -> None:
    (deviation,) = row("spatial_jitter", severity)
    before = torch.zeros(8, 2, 61, 61)
    before[:, 0, 30, 30] = 250
    before[:, 1, 30, 30] = 100
    after = corrupt_recording(before, "spatial_jitter", severity)
    assert torch.equal(after.sum((2, 3)), before.sum((2, 3)))  # frame and polarity stay
    whole = np.arange(-40, 41)
    chances = np.diff(norm.cdf(np.append(whole, 41) - 0.5, scale=deviation))
    wanted = math.sqrt((chances * whole**2).sum())  # of a normal number that is rounded
    for axis in (2, 3):
        counts = after.sum((0, 1, axis)).double().numpy()
        place = np.arange(61) - 30
        mean = (counts * place).sum() / counts.sum()
        found = math.sqrt((counts * place**2).sum() / counts.sum())
        assert abs(mean) < 5 * wanted / math.sqrt(counts.sum())
        assert found == pytest.approx(wanted, rel=5 / math.sqrt(counts.sum()))


def test_what_jitters_off_the_sensor_is_lost() -> None:
    before = torch.zeros(1, 2, 9, 9)
    before[0, 0, 0, 0] = 255
    after = corrupt_recording(before, "spatial_jitter", 3)
    inside = 1 - norm.cdf(-0.5)  # of each axis: a normal number that is rounded to 0 or more
    assert within(float(after.sum()) / 255, inside**2, 255)


@pytest.mark.parametrize("name", ON_FRAMES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_frames_stay_frames_and_gain_no_events(name: str, data: st.DataObject) -> None:
    draw = partial(data.draw)
    shape = (draw(st.integers(1, 3)), 2, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    values = draw(st.lists(st.integers(0, 255), min_size=math.prod(shape), max_size=math.prod(shape)))
    before = torch.tensor(values, dtype=torch.float32).reshape(shape)
    after = corrupt_recording(before, name, draw(st.integers(1, 5)), seed=draw(st.integers(0, 9)))
    assert after.shape == before.shape
    assert after.dtype == torch.float32
    assert torch.equal(after, after.round().clamp(0, 255))
    assert after.sum() <= before.sum()
