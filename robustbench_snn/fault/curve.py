"""Accuracy against the rate of a fault: its area, and the rate at which five points are lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from robustbench_snn.errors import UserError

LOSS = 0.05
"""Five points of accuracy."""
_ROUNDING = 1e-9


def critical_rate(rates: Sequence[float], accuracies: Sequence[float], clean: float) -> float | None:
    r"""The lowest rate at which accuracy is :data:`LOSS` below the clean one; None if it is not, at any of the rates.

    Between the last rate above and the first below, accuracy is taken to be linear in :math:`\log r`. Where it is
    below at the lowest rate already (zero left out), that rate is returned: an upper bound.

    Args:
        rates: rising, in [0, 1].
        accuracies: in [0, 1], one a rate.
        clean: accuracy without a fault.
    """
    _check(rates, accuracies)
    goal = clean - LOSS + _ROUNDING
    points = [(rate, share) for rate, share in zip(rates, accuracies, strict=True) if rate > 0]
    for place, (rate, share) in enumerate(points):
        if share > goal:
            continue
        if place == 0:
            return rate
        lower, above = points[place - 1]
        part = (above - goal) / (above - share)
        return math.exp(math.log(lower) + part * (math.log(rate) - math.log(lower)))
    return None


def area(rates: Sequence[float], accuracies: Sequence[float]) -> float | None:
    r"""Mean accuracy over :math:`\log r` between the lowest and the highest rate, by the trapezoidal rule.

    Args:
        rates: rising, in [0, 1]; zero has no logarithm and is left out.
        accuracies: in [0, 1], one a rate.

    Returns:
        in [0, 1]; None if there are fewer than two rates.
    """
    _check(rates, accuracies)
    points = [(math.log(rate), share) for rate, share in zip(rates, accuracies, strict=True) if rate > 0]
    if len(points) < 2:
        return None
    parts = [(b - a) * (high + low) / 2 for (a, high), (b, low) in pairwise(points)]
    return sum(parts) / (points[-1][0] - points[0][0])


def _check(rates: Sequence[float], accuracies: Sequence[float]) -> None:
    if len(rates) != len(accuracies) or list(rates) != sorted(set(rates)):
        raise UserError(f"a curve needs rising rates and an accuracy for each: {list(rates)}, {list(accuracies)}")
