"""Rectangle: constant near the threshold, zero elsewhere."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("rectangle", version=2)
class Rectangle(SpikeEstimator):
    r"""A window around the threshold (Wu et al., 2018, arXiv:1706.02609).

    .. math:: \mathbb{1}[|u| < w / 2] / w

    Args:
        width: of the window, in membrane potential.
    """

    width: PositiveFloat = 1.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        return (membrane.abs() < self.width / 2.0).to(membrane.dtype) / self.width
