"""BPTR: backward pass through rate."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.estimator.contract import TemporalEstimator, TimeRecord, register_estimator


@register_estimator("bptr", version=1)
class BPTR(TemporalEstimator):
    r"""The gradient passes unchanged where the neuron fired at all (Ding et al., 2022, arXiv:2205.07503, code).

    .. math:: \frac{\partial L}{\partial x_t} = \frac{\partial L}{\partial s_t} \, \mathbb{1}[\mathrm{mean}_t s > 0]
    """

    def input_gradient(self, record: TimeRecord, gradient: Tensor, first: int) -> Tensor:
        """Exact in step mode s too: the whole forward pass is known before the backward pass begins."""
        return gradient * record.fired
