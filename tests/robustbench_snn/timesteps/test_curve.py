"""Sums of a curve of accuracy over T."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustbench_snn.timesteps.curve import area, curve_metrics, smallest_sufficient


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [([0.5, 0.9, 0.91, 0.9], 2), ([0.5, 0.899, 0.91, 0.9], 4), ([0.91, 0.9, 0.9, 0.9], 1), ([0.1, 0.2, 0.3, 0.4], 8)],
)
def test_smallest_T_within_one_point_of_the_best(accuracies: list[float], expected: int) -> None:
    assert smallest_sufficient([1, 2, 4, 8], accuracies) == expected


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 1)), min_size=2, max_size=9, unique_by=lambda pair: pair[0]))
def test_area_is_a_mean_accuracy(points: list[tuple[int, float]]) -> None:
    steps, shares = zip(*sorted(points), strict=True)
    grid = np.linspace(steps[0], steps[-1], 4001)
    assert area(steps, shares) == pytest.approx(np.interp(grid, steps, shares).mean(), abs=0.01)
    assert area([3], [0.7]) == 0.7


def test_metrics_name_the_drop_only_where_one_step_was_run() -> None:
    assert curve_metrics([2, 4], [0.5, 0.8], 4) == {
        "accuracy": 0.8, "accuracy_T2": 0.5, "accuracy_T4": 0.8, "area": 0.65, "smallest_timesteps": 4.0,
    }  # fmt: skip
    assert curve_metrics([1, 2], [0.2, 0.8], 2)["drop_to_T1"] == pytest.approx(0.6)
