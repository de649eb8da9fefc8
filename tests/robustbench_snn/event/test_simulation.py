"""Simulated events, against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustbench_snn.errors import UserError
from robustbench_snn.event.simulation import DARK, Saccades, changes, moved, simulated

C = 0.2


def step_edge(contrast: float, width: int = 8) -> torch.Tensor:
    """One row (1, 1, 1, W): 0.1 in the left half, brighter by this difference of ln(I + 0.02) in the right."""
    dark = 0.1
    bright = (dark + DARK) * math.exp(contrast) - DARK
    return torch.tensor([dark] * (width // 2) + [bright] * (width // 2), dtype=torch.float64).reshape(1, 1, 1, width)


def test_a_step_edge_that_moves_two_pixels_and_back() -> None:
    """The edge lies between columns 3 and 4; an amplitude of 2 takes it one pixel a saccade: right, right, back by 2.

    At t = 100 column 4 turns dark, at t = 200 column 5 too, at t = 300 both are bright again. The contrast of 3.5 C
    is three whole crossings downwards. The way back is as long as the reference has fallen, three C exactly, and a
    change by C exactly is none yet: it makes two crossings. Moving down changes nothing: the border is held.
    """
    saccades = Saccades(amplitude=2.0, threshold=C, steps=3, duration=300)
    (events,) = simulated(step_edge(3.5 * C), saccades)
    found = list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True))
    off, on = 1, 0
    wanted = [(100, 4, 0, off)] * 3 + [(200, 5, 0, off)] * 3 + [(300, 4, 0, on)] * 2 + [(300, 5, 0, on)] * 2
    assert found == wanted


def test_the_fraction_of_a_pixel_is_bilinear() -> None:
    """Half a pixel to the right: column 4 is the mean of dark and bright, and its logarithm falls accordingly."""
    edge = step_edge(1.0)
    dark, bright = edge[0, 0, 0, 0], edge[0, 0, 0, -1]
    fall = float((bright + DARK).log() - ((dark + bright) / 2 + DARK).log())
    threshold = fall / 2.5
    step, *_ = changes(edge, Saccades(amplitude=1.0, threshold=threshold, steps=3, duration=300))
    assert step[0, 1, 0].tolist() == [0, 0, 0, 0, 2, 0, 0, 0]
    assert step[0, 0].sum() == 0


def test_the_brightest_way_in_small_steps_is_counted_like_in_one() -> None:
    """Crossings of one direction do not depend on how finely time is cut: the reference stays where C put it."""
    coarse, fine = (
        sum(changes(step_edge(7.3 * C), Saccades(amplitude=2.0, threshold=C, steps=steps))).tolist()  # type: ignore[union-attr]
        for steps in (3, 90)
    )
    assert coarse == fine
    assert coarse[0][1][0] == [0, 0, 0, 0, 7, 7, 0, 0]  # 0.3 C short of an eighth
    assert coarse[0][0][0] == [0, 0, 0, 0, 6, 6, 0, 0]  # the seventh would be C exactly


def test_a_refractory_time_drops_events_but_not_the_change() -> None:
    """Of three crossings at one moment one is reported; a pixel that reported 100 us ago rests for 101 us more."""
    edge, saccades = step_edge(3.5 * C), {"amplitude": 2.0, "threshold": C, "steps": 3, "duration": 300}
    (events,) = simulated(edge, Saccades(**saccades, refractory=100))  # type: ignore[arg-type]
    assert list(zip(events.t.tolist(), events.x.tolist(), strict=True)) == [(100, 4), (200, 5), (300, 4), (300, 5)]
    (events,) = simulated(edge, Saccades(**saccades, refractory=101))  # type: ignore[arg-type]
    assert list(zip(events.t.tolist(), events.x.tolist(), strict=True)) == [(100, 4), (200, 5), (300, 4)]


def test_still_places_report_nothing_and_the_way_back_ends_where_it_began() -> None:
    images = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert not any(step.any() for step in changes(torch.full_like(images, 0.7), Saccades()))
    paths = Saccades(steps=30).path()
    assert paths[-1] == (0.0, 0.0)
    assert torch.equal(moved(images, *paths[-1]), images)
    assert len(paths) == 30
    assert (paths[9], paths[19]) == ((1.0, 2.0), (2.0, 0.0))


@given(st.integers(0, 50))
def test_batch_mates_do_not_matter_and_the_sum_of_events_tells_the_change(seed: int) -> None:
    images = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    saccades = Saccades(amplitude=1.5, steps=12)
    together = list(changes(images, saccades))
    alone = list(changes(images[1:2], saccades))
    assert all(torch.equal(all_[1:2], one) for all_, one in zip(together, alone, strict=True))
    told = torch.zeros(3, 5, 5, dtype=torch.float64)
    start = (images[:, 0].double() + DARK).log()
    for (right, down), step in zip(saccades.path(), together, strict=True):
        told += saccades.threshold * (step[:, 0] - step[:, 1])
        level = (moved(images[:, 0].double(), right, down) + DARK).log()
        assert bool(((level - start - told).abs() <= saccades.threshold * (1 + 1e-6)).all())


def test_steps_that_three_saccades_cannot_share_are_refused() -> None:
    with pytest.raises(UserError, match="multiple of 3 steps, not 10"):
        Saccades(steps=10)
