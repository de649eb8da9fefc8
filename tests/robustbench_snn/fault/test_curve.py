"""Curves over the rate, by hand."""

from __future__ import annotations

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.fault.curve import area, critical_rate

RATES = [1e-4, 1e-3, 1e-2, 1e-1]


def test_the_rate_at_which_five_points_are_lost_is_linear_in_its_logarithm() -> None:
    assert critical_rate(RATES, [1.0, 0.99, 0.91, 0.2], 1.0) == pytest.approx(10**-2.5)
    assert critical_rate(RATES, [0.9, 0.9, 0.85, 0.2], 0.9) == pytest.approx(1e-2)
    assert critical_rate(RATES, [1.0, 0.9, 1.0, 0.2], 1.0) == pytest.approx(10**-3.5)  # the first time it is lost
    assert critical_rate([0.0, *RATES], [1.0, 1.0, 0.99, 0.91, 0.2], 1.0) == pytest.approx(10**-2.5)


def test_beyond_the_range() -> None:
    assert critical_rate(RATES, [1.0, 1.0, 0.99, 0.96], 1.0) is None
    assert critical_rate(RATES, [0.8, 0.7, 0.6, 0.5], 1.0) == 1e-4  # an upper bound
    assert critical_rate([0.0], [1.0], 1.0) is None


def test_area() -> None:
    assert area(RATES, [0.7] * 4) == pytest.approx(0.7)
    assert area([1e-3, 1e-1], [1.0, 0.0]) == pytest.approx(0.5)
    assert area([1e-4, 1e-3, 1e-1], [1.0, 1.0, 0.0]) == pytest.approx(2 / 3)
    assert area([0.0, 0.1], [1.0, 0.5]) is None


def test_rates_must_rise() -> None:
    with pytest.raises(UserError, match="rising rates"):
        critical_rate([0.1, 0.1], [1.0, 1.0], 1.0)
    with pytest.raises(UserError, match="an accuracy for each"):
        area([0.1, 0.2], [1.0])
