"""Corruptions of raw events against their own stated parameters, at every severity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import poisson as poisson_distribution

from robustbench_snn.corruption.event_samples import corrupt_recording
from robustbench_snn.event.simulation import Saccades, simulated
from robustbench_snn.event.stream import Events, frames_of
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import event_corruptions
from robustbench_snn.suites.event_corruptions._events import poisson
from robustbench_snn.suites.event_corruptions.threshold_change import raised

SEVERITIES = range(1, 6)
Rows = list[tuple[int, int, int, int]]


def row(name: str, severity: int) -> Any:
    return event_corruptions.get(name).declaration.traits.severities[severity - 1]


def made(t: Any, x: Any, y: Any, p: Any, height: int = 20, width: int = 30) -> Events:
    at = [torch.as_tensor(np.asarray(column)) for column in (t, x, y, p)]
    return Events(at[0].long(), at[1].short(), at[2].short(), at[3].to(torch.int8), height, width)


def uniform(count: int = 6000, duration: int = 1_000_000, seed: int = 0) -> Events:
    """Events all over the sensor and the time, the first and the last at the ends of it."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, duration + 1, count))
    t[0], t[-1] = 0, duration
    return made(t, rng.integers(0, 30, count), rng.integers(0, 20, count), rng.integers(0, 2, count))


def rows_of(events: Events) -> Rows:
    return list(zip(*(column.tolist() for column in (events.t, events.x, events.y, events.p)), strict=True))


def two_ends(duration: int = 1_000_000) -> Events:
    return made([0, duration], [0, 0], [0, 0], [0, 0])


@pytest.mark.parametrize("severity", SEVERITIES)
def test_background_activity_is_poisson_at_the_stated_rate(severity: int) -> None:
    (rate,) = row("background_activity", severity)
    noisy = [corrupt_recording(two_ends(500_000), "background_activity", severity, seed) for seed in range(150)]
    counts = np.array([len(events) - 2 for events in noisy])
    mean = rate * 0.5 * 600
    assert counts.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / 150))
    assert counts.var() / mean == pytest.approx(1.0, abs=5 * math.sqrt(2 / 150) + 1 / mean)
    for name, size in (("x", 30), ("y", 20), ("p", 2), ("t", 500_001)):
        values = torch.cat([getattr(events, name)[1:-1] for events in noisy]).double() + 0.5
        assert float(values.mean()) == pytest.approx(size / 2, abs=5 * size / math.sqrt(12 * len(values)))
        assert values.max() <= size


def test_noise_is_added_to_what_was_there() -> None:
    before = uniform()
    after = corrupt_recording(before, "background_activity", 5)
    assert len(after) > len(before)
    assert (frames_of(after, 4) >= frames_of(before, 4)).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_hot_pixels_are_as_many_as_stated_at_the_stated_rate(severity: int) -> None:
    share, rate = row("hot_pixels", severity)
    noisy = [corrupt_recording(two_ends(), "hot_pixels", severity, seed) for seed in range(20)]
    hot = round(share * 600)
    for events in noisy:
        assert len(set(zip(events.x[1:-1].tolist(), events.y[1:-1].tolist(), strict=True))) == hot
    added = sum(len(events) - 2 for events in noisy)
    assert added == pytest.approx(20 * hot * rate, abs=5 * math.sqrt(20 * hot * rate))


@given(st.floats(2**-25, 1 - 2**-25), st.floats(1e-6, 1e5))
def test_poisson_numbers_are_those_of_the_distribution(chance: float, mean: float) -> None:
    assert poisson(chance, mean) == poisson_distribution.ppf(chance, mean)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_drop_by_time_empties_a_window_of_the_stated_length(severity: int) -> None:
    (ratio,) = row("drop_by_time", severity)
    t = np.arange(5001) * 100
    before = made(t, t % 30, t % 20, t % 2)
    begins = []
    for seed in range(100):
        after = corrupt_recording(before, "drop_by_time", severity, seed)
        lost = sorted(set(t.tolist()) - set(after.t.tolist()))
        assert lost == list(range(lost[0], lost[-1] + 100, 100))  # one window
        assert len(lost) == pytest.approx(ratio * 5000, abs=1)
        begins.append(lost[0] / (500_000 * (1 - ratio)))
    assert np.mean(begins) == pytest.approx(0.5, abs=5 / math.sqrt(12 * 100))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_time_jitter_has_the_stated_deviation_and_loses_nothing(severity: int) -> None:
    (deviation,) = row("time_jitter", severity)
    order = np.arange(4096)
    before = made(1_000_000 + 10 * order, order % 64, order // 64, order % 2, 64, 64)  # a pixel an event
    after = corrupt_recording(before, "time_jitter", severity)
    assert (after.t.diff() >= 0).all()
    back = (after.y.long() * 64 + after.x).argsort()
    moved = (after.t[back] - before.t).double()
    assert torch.equal(after.p[back], before.p)
    assert float(moved.mean()) == pytest.approx(0.0, abs=5 * deviation / 64)
    assert float(moved.std()) == pytest.approx(deviation, rel=5 / math.sqrt(2 * 4096))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_refractory_is_tonics_loop(severity: int) -> None:
    (period,) = row("refractory", severity)
    before = uniform(20_000)
    wanted: Rows = []
    last: dict[tuple[int, int], int] = {}
    for event in rows_of(before):
        if event[0] - last.get(event[1:3], -period - 1) > period:
            wanted.append(event)
        last[event[1:3]] = event[0]
    after = corrupt_recording(before, "refractory", severity)
    assert rows_of(after) == wanted
    assert 0 < len(wanted) < 20_000
    by_pixel = after.kept((after.y.long() * 30 + after.x).argsort(stable=True))
    same = (by_pixel.x.diff() == 0) & (by_pixel.y.diff() == 0)
    assert (by_pixel.t.diff()[same] > period).all()  # at most one in each period


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_whole_factors_give_what_a_simulation_with_that_threshold_gives(factor: int) -> None:
    images = 0.05 + 0.95 * SampleRandom.for_samples("pixels", sample_ids=range(6)).uniform(1, 20, 24)  # none are equal
    fine = simulated(images, Saccades(threshold=0.06))
    coarse = simulated(images, Saccades(threshold=0.06 * factor))
    for before, wanted in zip(fine, coarse, strict=True):
        after = raised(before, torch.full((20 * 24,), float(factor), dtype=torch.float64))
        assert len(before) > 2 * len(wanted) > 0
        assert sorted(rows_of(after)) == sorted(rows_of(wanted))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_threshold_change_has_the_stated_mean_and_deviation(severity: int) -> None:
    factor, deviation = row("threshold_change", severity)
    events, pixels = 400, 600  # each pixel brightens by 400 thresholds: it reports 400 / f times
    pixel = np.tile(np.arange(pixels), events)
    before = made(np.repeat(np.arange(events), pixels), pixel % 30, pixel // 30, np.zeros(len(pixel)))
    after = corrupt_recording(before, "threshold_change", severity)
    reports = torch.bincount(after.y.long() * 30 + after.x, minlength=pixels).double().numpy()
    found = events / (reports + 0.5)
    low = (1 - factor) / deviation  # below it, f becomes 1
    mean = norm.cdf(low) + factor * norm.sf(low) + deviation * norm.pdf(low)
    assert found.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(pixels) + 0.02)
    if low < -3:
        assert found.std() == pytest.approx(deviation, rel=0.15)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.booleans(), max_size=40), st.floats(1.0, 6.0))
def test_a_raised_threshold_never_lets_the_reference_stay_behind(signs: list[bool], factor: float) -> None:
    """The sum of what is reported stays within one threshold of the course that was recorded."""
    before = made(range(len(signs)), [0] * len(signs), [0] * len(signs), signs, 1, 1)
    after = raised(before, torch.tensor([factor], dtype=torch.float64))
    kept = dict(zip(after.t.tolist(), after.p.tolist(), strict=True))
    course = reported = 0.0
    for time, off in enumerate(signs):
        course += -1 if off else 1
        if time in kept:
            assert kept[time] == off
            reported += -factor if off else factor
        assert abs(course - reported) < factor + 1e-9


@pytest.mark.parametrize("severity", SEVERITIES)
def test_camera_shake_is_a_sine_of_the_stated_size_and_pace(severity: int) -> None:
    amplitude, frequency = row("camera_shake", severity)
    t = np.arange(0, 1_000_000, 100)
    middle = np.full(len(t), 10)
    after = corrupt_recording(made(t, middle, middle, t % 2), "camera_shake", severity)
    assert len(after) == len(t)
    for place in (after.x, after.y):
        moved = place.double().numpy() - 10
        wanted = np.rint(amplitude * np.sin(np.linspace(0, 2 * np.pi, 9999)))  # of a sine that is rounded
        assert abs(moved).max() == abs(wanted).max()
        assert (moved**2).mean() == pytest.approx((wanted**2).mean(), rel=0.01)
        spectrum = np.abs(np.fft.rfft(moved))
        assert spectrum[1:].argmax() + 1 == frequency  # a second long: cycles are hertz


def test_what_shakes_off_the_sensor_is_lost() -> None:
    t = np.arange(0, 1_000_000, 100)
    after = corrupt_recording(made(t, 0 * t, 0 * t + 10, t % 2), "camera_shake", 5)
    assert len(t) / 3 < len(after) < 2 * len(t) / 3


@pytest.mark.parametrize("severity", SEVERITIES)
def test_occlusion_hides_each_pixel_for_its_share_between_two_edges(severity: int) -> None:
    (width,) = row("occlusion", severity)
    scene, directions = uniform(20_000), set()
    hidden = width / (1 + width)
    for seed in range(4):
        after = corrupt_recording(scene, "occlusion", severity, seed)
        kept = set(rows_of(scene)) & set(rows_of(after))
        lost = 1 - len(kept) / len(set(rows_of(scene)))
        assert lost == pytest.approx(hidden, abs=5 * math.sqrt(hidden * (1 - hidden) / 20_000) + 0.01)
    blank = two_ends()
    for seed in range(40):
        edges = corrupt_recording(blank, "occlusion", severity, seed)
        edges = edges.kept((edges.t > 0) & (edges.t < 1_000_000))
        off, on = (edges.kept(edges.p == polarity) for polarity in (1, 0))
        assert len(off) == len(on) == 600
        comes, goes = (events.t[(events.y.long() * 30 + events.x).argsort()].reshape(20, 30) for events in (off, on))
        assert ((goes - comes - 1_000_000 * hidden).abs() <= 1).all()
        way = (comes[0].diff().sign().unique().tolist(), comes[:, 0].diff().sign().unique().tolist())
        directions.add(str(way))
    assert directions == {"([1], [0])", "([-1], [0])", "([0], [1])", "([0], [-1])"}
