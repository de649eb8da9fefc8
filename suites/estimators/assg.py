"""ASSG: a surrogate whose sharpness follows each neuron's distance from its threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator
from robustbench_snn.estimator.reach import Slope
from robustbench_snn.estimator.surrogate import SteppedSpike
from robustbench_snn.kernels.compiling import kernels

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
        return _atan(membrane, _sharpness(self.peak, torch.ones_like(membrane), torch.zeros_like(membrane)))

    @contextmanager
    def rows(self, rows: Tensor, *, frozen: bool) -> Iterator[None]:
        """See :meth:`Estimator.rows`."""
        self._rows, self._frozen = rows, frozen
        try:
            yield
        finally:
            self._rows, self._frozen = None, True

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """Steps through :meth:`slopes`, all of a call together."""
        averages = _Averages(self)
        return SteppedSpike(averages.slope, averages.slopes)

    def slopes(self) -> Slope:
        """Keeps the averages of one layer."""
        return _Averages(self).slope


class _Averages:
    """M and D of one layer, (2, rows, ...) a step."""

    def __init__(self, rule: ASSG) -> None:
        self.rule = rule
        self.kept: list[Tensor] = []

    def slope(self, membrane: Tensor, step: int) -> Tensor:
        """The slope of a step of u (B, ...)."""
        (slope,) = self.slopes(membrane[None], step)
        return slope

    def slopes(self, membranes: Tensor, first: int) -> Sequence[Tensor]:
        """Slopes of the steps ``first``, ... of u (T, B, ...), [(B, ...)]."""
        rows, steps, shape = self.rule._rows, len(membranes), membranes.shape[1:]
        if rows is None or shape[0] < len(rows):  # outside any attack; or samples that cannot be told apart
            return [self.rule.derivative(membrane) for membrane in membranes]
        padding = shape[0] - len(rows)  # the target pads batches; what it adds has no gradient
        padded = torch.cat([rows, rows[:1].expand(padding)])
        before = [self._state(step, membranes[0], int(rows[-1]) + 1) for step in range(first, first + steps)]
        means, deviations = ([state[place, padded].flatten() for state in before] for place in (0, 1))
        kernel = _kernel(self.rule.peak, self.rule._frozen, steps)
        found = kernel(membranes.reshape(steps, -1), *means, *deviations, steps=steps)
        if not self.rule._frozen:
            for state, mean, deviation in zip(before, found[steps : 2 * steps], found[2 * steps :], strict=True):
                state[0, rows] = mean.view(shape)[: len(rows)]
                state[1, rows] = deviation.view(shape)[: len(rows)]
        return [slope.view(shape) for slope in found[:steps]]

    def _state(self, step: int, membrane: Tensor, rows: int) -> Tensor:
        if step == len(self.kept):
            self.kept.append(membrane.new_zeros(2, 0, *membrane.shape[1:]))
        self.kept[step] = _grown(self.kept[step], rows)
        return self.kept[step]


@kernels
def _kernel(peak: float, frozen: bool, steps: int) -> Callable[..., tuple[Tensor, ...]]:
    """U (T, N), and M and D of each step, (N,), to each step's slope, and to its new M and D where they move."""

    def run(membranes: Tensor, *averages: Tensor) -> tuple[Tensor, ...]:
        slopes, means, deviations = [], list(averages[:steps]), list(averages[steps:])
        for step in range(steps):
            membrane, mean, deviation = membranes[step], means[step], deviations[step]
            if not frozen:
                distance = membrane.abs()
                means[step] = mean = BETA * mean + (1.0 - BETA) * distance
                deviations[step] = deviation = BETA * deviation + (1.0 - BETA) * (distance - mean).abs()
            slopes.append(_atan(membrane, _sharpness(peak, mean, deviation)))
        return tuple(slopes) if frozen else (*slopes, *means, *deviations)

    return run


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
