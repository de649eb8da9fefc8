"""EXP: falls off exponentially on both sides of the threshold."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("exp", version=2)
class Exponential(SpikeEstimator):
    r"""A peak of height one at the threshold (Oezdenizci, Legenstein, TMLR 2024).

    .. math:: \exp(-\gamma |u|)

    Args:
        gamma: how fast it falls off.
    """

    gamma: PositiveFloat = 1.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        return (-self.gamma * membrane.abs()).exp()
