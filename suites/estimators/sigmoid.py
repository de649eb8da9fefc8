"""Sigmoid: the derivative of the logistic function."""

from __future__ import annotations

from pydantic import PositiveFloat
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("sigmoid", version=2)
class Sigmoid(SpikeEstimator):
    r"""SpikingJelly's default training surrogate.

    .. math:: \alpha s (1 - s), \quad s = \sigma(\alpha u)

    Args:
        alpha: sharpness.
    """

    alpha: PositiveFloat = 4.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        s = (self.alpha * membrane).sigmoid()
        return self.alpha * s * (1.0 - s)

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """SpikingJelly's own."""
        fused: nn.Module = surrogate.Sigmoid(alpha=self.alpha)
        return fused
