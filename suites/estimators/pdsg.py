"""PDSG: a surrogate as wide as the membrane potentials spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robustbench_snn.attack.ball import per_sample
from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator
from robustbench_snn.estimator.reach import Slope
from robustbench_snn.estimator.surrogate import SteppedSpike


@register_estimator("pdsg", version=3)
class PDSG(SpikeEstimator):
    r"""Potential-dependent surrogate gradient (Lun et al., CVPR 2025).

    .. math:: \frac{1}{\sqrt{2\pi}\,\sigma_t} \exp\Bigl(-\bigl(\frac{u - \sigma_t / 2}{\sqrt 2\,\sigma_t}\bigr)^2\Bigr)

    sigma_t is the standard deviation of a channel's membrane potentials over its places and the steps up to t, as the
    authors', who pool it over the batch too; here every sample has its own, so that a result does not depend on the
    batch. The channels of maps (B, C, H, W) are dimension 1, those of tokens (B, N, C) the last one. A layer with one
    place a channel, such as (B, N), would have no spread at its first step: there all neurons share one sigma
    [inferred].
    """

    def derivative(self, membrane: Tensor) -> Tensor:
        """The slope of a first step, (B, ...)."""
        return _Spread().slope(membrane, 0)

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """Steps through :meth:`slopes`."""
        return SteppedSpike(self.slopes())

    def slopes(self) -> Slope:
        """Keeps the running sums of one layer."""
        return _Spread().slope


class _Spread:
    """Sums of one layer's membrane potentials and their squares up to each step, by sample and channel, in float64."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []

    def slope(self, membrane: Tensor, step: int) -> Tensor:
        """See :class:`PDSG`; a step that is run again, for checkpointing, finds the sums of the one before it."""
        grouped = by_channel(membrane)
        wide = grouped.flatten(0, 1).to(torch.float64)
        sums = torch.stack([per_sample(lambda rows: rows.sum(1), values) for values in (wide, wide.square())])
        if step:
            sums = self.sums[step - 1] + sums
        self.sums[step : step + 1] = [sums]
        mean, square = sums / ((step + 1) * wide.shape[1])
        variance = (square - mean.square()).clamp_min(1e-12)
        sigma = variance.sqrt().to(membrane.dtype).reshape(*grouped.shape[:2], 1).expand_as(grouped)
        sigma = sigma.transpose(1, 2).reshape(membrane.shape) if membrane.ndim == 3 else sigma.reshape(membrane.shape)
        exponent = -((membrane - sigma / 2.0) / (math.sqrt(2.0) * sigma)).square()
        slope: Tensor = exponent.exp() / (math.sqrt(2.0 * math.pi) * sigma)
        return slope


def by_channel(membrane: Tensor) -> Tensor:
    """Membrane potentials (B, ...) as (B, channels, places): at least two places, or all neurons are one channel."""
    grouped = membrane.transpose(1, 2) if membrane.ndim == 3 else membrane.flatten(2) if membrane.ndim > 3 else membrane
    return membrane.flatten(1)[:, None] if grouped.ndim < 3 or grouped.shape[2] < 2 else grouped
