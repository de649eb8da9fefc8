"""Triangle: linear in the distance from the threshold."""

from __future__ import annotations

from pydantic import PositiveFloat
from spikingjelly.activation_based import surrogate
from torch import Tensor, nn

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("triangle", version=2)
class Triangle(SpikeEstimator):
    r"""A tent around the threshold (Ding et al., 2022, arXiv:2205.07503, code).

    .. math:: \frac{1}{\gamma^2} \max(\gamma - |u|, 0)

    Args:
        gamma: half its width.
    """

    gamma: PositiveFloat = 1.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        return (self.gamma - membrane.abs()).clamp_min(0.0) / self.gamma**2

    def surrogate(self, neuron: nn.Module) -> nn.Module:
        """SpikingJelly's piecewise quadratic, whose derivative it is, with alpha = 1 / gamma."""
        fused: nn.Module = surrogate.PiecewiseQuadratic(alpha=1.0 / self.gamma)
        return fused
