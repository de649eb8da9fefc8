"""ASSG: a surrogate whose sharpness follows each neuron's distance from its threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator
from robustbench_snn.estimator.reach import Slope
from robustbench_snn.estimator.surrogate import SteppedSpike

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

    def sharpness(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """Alpha of the moving averages M and D."""
        return self.peak / (mean + 1.5 * deviation + 1e-4)

    def derivative(self, membrane: Tensor) -> Tensor:
        """The slope of a neuron that was never seen before, M = 1 and D = 0."""
        return _atan(membrane, self.sharpness(torch.ones_like(membrane), torch.zeros_like(membrane)))

    @contextmanager
    def rows(self, rows: Tensor, *, frozen: bool) -> Iterator[None]:
        """See :meth:`Estimator.rows`."""
        self._rows, self._frozen = rows, frozen
        try:
            yield
        finally:
            self._rows, self._frozen = None, True

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """Steps through :meth:`slopes`."""
        return SteppedSpike(self.slopes())

    def slopes(self) -> Slope:
        """Keeps the averages of one layer, (2, rows, ...) a step."""
        kept: list[Tensor] = []

        def slope(membrane: Tensor, step: int) -> Tensor:
            rows = self._rows
            if rows is None or len(membrane) < len(rows):  # outside any attack; or samples that cannot be told apart
                return self.derivative(membrane)
            if step == len(kept):
                kept.append(membrane.new_zeros(2, 0, *membrane.shape[1:]))
            kept[step] = state = _grown(kept[step], int(rows[-1]) + 1)
            mean, deviation = state[:, rows]
            if not self._frozen:
                distance = membrane[: len(rows)].abs()
                mean = BETA * mean + (1.0 - BETA) * distance
                deviation = BETA * deviation + (1.0 - BETA) * (distance - mean).abs()
                state[0, rows], state[1, rows] = mean, deviation
            alpha = self.sharpness(mean, deviation)
            padding = len(membrane) - len(rows)  # the target pads batches; what it adds has no gradient
            return _atan(membrane, torch.cat([alpha, alpha[:1].expand(padding, *alpha.shape[1:])]))

        return slope


def _grown(state: Tensor, rows: int) -> Tensor:
    """The state with room for so many rows: M = 1 and D = 0 for those not seen before."""
    if state.shape[1] >= rows:
        return state
    fresh = state.new_zeros(2, rows - state.shape[1], *state.shape[2:])
    fresh[0] = 1.0
    return torch.cat([state, fresh], dim=1)


def _atan(membrane: Tensor, alpha: Tensor) -> Tensor:
    return alpha / 2.0 / (1.0 + (math.pi / 2.0 * alpha * membrane).square())
