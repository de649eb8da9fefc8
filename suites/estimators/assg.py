"""ASSG: a surrogate whose sharpness follows each neuron's distance from its threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator
from robustbench_snn.estimator.reach import Slope
from robustbench_snn.estimator.surrogate import SteppedSpike
from robustbench_snn.kernels.native import Floats, machine_code, runs

Integers = NDArray[np.int64]
BETA = 0.9
"""Decay of both moving averages, over attack iterations."""


@register_estimator("assg", version=2)
class ASSG(SpikeEstimator):
    r"""Adaptive-sharpness surrogate gradient (arXiv:2512.22522).

    ATan with a sharpness of its own for each neuron, step and sample:

    .. math:: \alpha = \frac{a}{M + 1.5 D + 10^{-4}}, \quad a = \frac{2}{\pi} \tan\frac{\pi A}{2}

    M is the moving average of \|u\|, D that of \| \|u\| - M \|, over the iterations of an attack; M starts at 1, D at
    0. Both are left alone on repeated EOT draws. That M is brought up to date before D, and both before alpha is
    taken, is [inferred].

    Args:
        level: A / 2, in (0, 1/2): how far up the arctangent the point M + 1.5 D lies.
    """

    stateful: ClassVar[bool] = True

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.45

    def __post_init__(self) -> None:
        self.peak = 2.0 / math.pi * math.tan(math.pi * self.level)
        self._rows: Tensor | None = None
        self._frozen = True

    def derivative(self, membrane: Tensor) -> Tensor:
        """The slope of a neuron that was never seen before, M = 1 and D = 0."""
        return _atan(membrane, _sharpness(self.peak, membrane.new_ones(()), membrane.new_zeros(())))

    @contextmanager
    def rows(self, rows: Tensor, *, frozen: bool) -> Iterator[None]:
        """See :meth:`Estimator.rows`."""
        self._rows, self._frozen = rows, frozen
        try:
            yield
        finally:
            self._rows, self._frozen = None, True

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """Steps through :meth:`slopes`, all steps of a call together."""
        averages = _Averages(self)
        return SteppedSpike(averages.slope, averages.slopes)

    def slopes(self) -> Slope:
        """Keeps the averages of one layer."""
        return _Averages(self).slope


class _Averages:
    """M and D of one layer, (2, rows, neurons) a step."""

    def __init__(self, rule: ASSG) -> None:
        self.rule = rule
        self.kept: list[Tensor] = []

    def slope(self, membrane: Tensor, step: int) -> Tensor:
        """The slope of a step of u (B, ...)."""
        return self.slopes(membrane.reshape(1, len(membrane), -1), 0.0, step).reshape(membrane.shape)

    def slopes(self, membranes: Tensor, threshold: float, first: int) -> Tensor:
        """Slopes of the steps ``first``, ... of membranes before the reset (T, B, M)."""
        rows, peak, frozen = self.rule._rows, self.rule.peak, self.rule._frozen
        if rows is None or membranes.shape[1] < len(rows):  # outside any attack; or samples that cannot be told apart
            return self.rule.derivative(membranes - threshold)
        slopes = torch.empty_like(membranes)
        slopes[:, len(rows) :] = 0.0  # the target pads batches; what it adds has no gradient
        for step, membrane in enumerate(membranes):
            state = self._state(first + step, membrane, int(rows[-1]) + 1)
            if runs(membrane) and membrane.is_contiguous():
                arrays = (values.detach().numpy() for values in (membrane, rows, state, slopes[step]))
                machine_code(_move)(*arrays, np.float32(threshold), np.float32(peak), frozen)
                continue
            mean, deviation = state[:, rows]
            u = membrane[: len(rows)] - threshold
            if not frozen:
                distance = u.abs()
                mean = BETA * mean + (1.0 - BETA) * distance
                deviation = BETA * deviation + (1.0 - BETA) * (distance - mean).abs()
                state[0, rows], state[1, rows] = mean, deviation
            slopes[step, : len(rows)] = _atan(u, _sharpness(peak, mean, deviation))
        return slopes

    def _state(self, step: int, membrane: Tensor, rows: int) -> Tensor:
        if step == len(self.kept):
            self.kept.append(membrane.new_zeros(2, 0, *membrane.shape[1:]))
        self.kept[step] = _grown(self.kept[step], rows)
        return self.kept[step]


def _move(
    membrane: Floats,
    rows: Integers,
    state: Floats,
    slopes: Floats,
    threshold: np.float32,
    peak: np.float32,
    frozen: bool,
) -> None:
    """The same over arrays: H (B, M), M and D (2, rows, M), slopes (B, M), filled for the first len(rows)."""
    keep, take, wide, least = np.float32(BETA), np.float32(1.0 - BETA), np.float32(1.5), np.float32(1e-4)
    one, two, quarter = np.float32(1.0), np.float32(2.0), np.float32(math.pi / 2.0)
    for place in range(rows.shape[0]):
        h, slope = membrane[place], slopes[place]
        mean, deviation = state[0, rows[place]], state[1, rows[place]]
        for n in range(h.shape[0]):
            u = h[n] - threshold
            middle, spread = mean[n], deviation[n]
            if not frozen:
                middle = keep * middle + take * abs(u)
                spread = keep * spread + take * abs(abs(u) - middle)
                mean[n], deviation[n] = middle, spread
            alpha = one / (middle + wide * spread + least) * peak  # as torch divides a number by a tensor
            bent = quarter * alpha * u
            slope[n] = alpha / two / (one + bent * bent)


def _grown(state: Tensor, rows: int) -> Tensor:
    """The state with room for so many rows: M = 1 and D = 0 for those not seen before."""
    if state.shape[1] >= rows:
        return state
    fresh = state.new_zeros(2, rows - state.shape[1], *state.shape[2:])
    fresh[0] = 1.0
    return torch.cat([state, fresh], dim=1)


def _sharpness(peak: float, mean: Tensor, deviation: Tensor) -> Tensor:
    """Alpha of the moving averages M and D."""
    return peak / (mean + 1.5 * deviation + 1e-4)


def _atan(membrane: Tensor, alpha: Tensor) -> Tensor:
    return alpha / 2.0 / (1.0 + (math.pi / 2.0 * alpha * membrane).square())
