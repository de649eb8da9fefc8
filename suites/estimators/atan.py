"""ATan: the derivative of a scaled arctangent."""

from __future__ import annotations

import math

from pydantic import PositiveFloat
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("atan", version=2)
class ATan(SpikeEstimator):
    r"""Heavy tails: neurons far from their threshold still pass a gradient (Fang et al., 2021, arXiv:2007.05785).

    .. math:: \frac{\alpha / 2}{1 + (\frac{\pi}{2} \alpha u)^2}

    Args:
        alpha: sharpness; 0.5 to 10 are worth trying.
    """

    alpha: PositiveFloat = 2.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        return (self.alpha / 2.0) / (1.0 + (math.pi / 2.0 * self.alpha * membrane).square())

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """SpikingJelly's own."""
        fused: nn.Module = surrogate.ATan(alpha=self.alpha)
        return fused
