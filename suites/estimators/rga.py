"""RGA: rate gradient approximation."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.estimator.contract import TemporalEstimator, TimeRecord, register_estimator


@register_estimator("rga", version=1)
class RGA(TemporalEstimator):
    r"""The slope of the firing rate by the mean input current (Bu et al., CVPR 2023, code).

    .. math:: f(\bar x) = [1-\lambda \le \bar x \le 2] \frac{1 - \gamma + \gamma\lambda}{\lambda + 1}
              + [0 \le \bar x \le 1-\lambda] \gamma

    in units where the membrane is :math:`v \leftarrow \lambda v + x` with threshold 1; the current of a neuron with
    decayed input is scaled by 1/tau, and so is the slope.

    Args:
        gamma: slope below the current that never fires.
    """

    gamma: PositiveFloat = 0.2

    def slope(self, current: Tensor, leak: float) -> Tensor:
        """F of the mean current."""
        rising = ((current >= 1.0 - leak) & (current <= 2.0)) * ((1.0 - self.gamma + self.gamma * leak) / (leak + 1.0))
        below = ((current >= 0.0) & (current <= 1.0 - leak)) * self.gamma
        return (rising + below).to(current.dtype)

    def input_gradient(self, record: TimeRecord, gradient: Tensor, first: int) -> Tensor:
        """Exact in step mode s too: the mean current is known before the backward pass begins."""
        return gradient * self.slope(record.mean_current, record.leak) * (record.gain / record.threshold)
