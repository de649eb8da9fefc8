"""PDSG: a surrogate as wide as the membrane potentials spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robustbench_snn.attack.ball import per_sample
from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator
from robustbench_snn.estimator.reach import Slope
from robustbench_snn.estimator.surrogate import SteppedSpike


@register_estimator("pdsg", version=1)
class PDSG(SpikeEstimator):
    r"""Potential-dependent surrogate gradient (Lun et al., CVPR 2025).

    .. math:: \frac{1}{\sqrt{2\pi}\,\sigma_t} \exp\Bigl(-\bigl(\frac{u - \sigma_t / 2}{\sqrt 2\,\sigma_t}\bigr)^2\Bigr)

    sigma_t is the standard deviation of the layer's membrane potentials over the steps up to t. The authors' code
    pools it over the batch; here every sample has its own, so that a result does not depend on the batch.
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
    """Sums of one layer's membrane potentials and of their squares up to each step, by sample, in float64."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []

    def slope(self, membrane: Tensor, step: int) -> Tensor:
        """See :class:`PDSG`; a step that is run again, for checkpointing, finds the sums of the one before it."""
        wide = membrane.to(torch.float64)
        sums = torch.stack([per_sample(lambda rows: rows.sum(1), values) for values in (wide, wide.square())])
        if step:
            sums = self.sums[step - 1] + sums
        self.sums[step : step + 1] = [sums]
        mean, square = sums / ((step + 1) * membrane[0].numel())
        variance = (square - mean.square()).clamp_min(1e-12)
        sigma = variance.sqrt().to(membrane.dtype).reshape(-1, *[1] * (membrane.ndim - 1))
        exponent = -((membrane - sigma / 2.0) / (math.sqrt(2.0) * sigma)).square()
        slope: Tensor = exponent.exp() / (math.sqrt(2.0 * math.pi) * sigma)
        return slope
