"""PDSG: a surrogate as wide as the membrane potentials spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robustbench_snn.attacking.ball import per_sample
from robustbench_snn.estimating import SpikeEstimator, register_estimator
from robustbench_snn.surrogates import SteppedSpike


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
        """Keeps the running sums of one layer."""
        return SteppedSpike(_Spread().slope)


class _Spread:
    """Running sums of one layer's membrane potentials, by sample, in float64."""

    count: int
    total: Tensor
    squares: Tensor

    def slope(self, membrane: Tensor, step: int) -> Tensor:
        """See :class:`PDSG`; starts anew at step 0."""
        wide = membrane.to(torch.float64)
        total = per_sample(lambda rows: rows.sum(1), wide)
        squares = per_sample(lambda rows: rows.square().sum(1), wide)
        if step == 0:
            self.count, self.total, self.squares = 0, torch.zeros_like(total), torch.zeros_like(squares)
        self.count += membrane[0].numel()
        self.total, self.squares = self.total + total, self.squares + squares
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(1e-12)
        sigma = variance.sqrt().to(membrane.dtype).reshape(-1, *[1] * (membrane.ndim - 1))
        exponent = -((membrane - sigma / 2.0) / (math.sqrt(2.0) * sigma)).square()
        return exponent.exp() / (math.sqrt(2.0 * math.pi) * sigma)
