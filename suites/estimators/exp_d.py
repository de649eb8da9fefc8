"""EXP-D: EXP, dampened."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator

DAMPENING = 0.3


@register_estimator("exp_d", version=2)
class DampenedExponential(SpikeEstimator):
    r"""The exponential of ``exp`` with a lower peak (Oezdenizci, Legenstein, TMLR 2024).

    .. math:: 0.3 \exp(-\gamma |u|)

    The factor does more than scale a gradient: it weighs paths through many layers and steps against short ones.

    Args:
        gamma: how fast it falls off.
    """

    gamma: PositiveFloat = 1.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """The formula above."""
        return DAMPENING * (-self.gamma * membrane.abs()).exp()
