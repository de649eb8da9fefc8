"""Sigmoid: the derivative of the logistic function."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("sigmoid", version=1)
class Sigmoid(SpikeEstimator):
    r"""SpikingJelly's default training surrogate.

    .. math:: \alpha s (1 - s), \quad s = \sigma(\alpha u)

    Args:
        alpha: sharpness.
    """

    def __init__(self, *, alpha: Annotated[float, Field(gt=0)] = 4.0) -> None:
        self.alpha = alpha

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        s = (self.alpha * membrane).sigmoid()
        return self.alpha * s * (1.0 - s)

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """SpikingJelly's own."""
        fused: nn.Module = surrogate.Sigmoid(alpha=self.alpha)
        return fused
