"""HART: rate and temporal information in one gradient."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.estimator.contract import TemporalEstimator, TimeRecord, register_estimator
from robustbench_snn.suites.estimators.atan import ATan
from robustbench_snn.suites.estimators.triangle import Triangle


@register_estimator("hart", version=1)
class HART(TemporalEstimator):
    r"""Each step's gradient with the membrane cut loose from the steps before, then averaged over time.

    .. math:: \frac{\partial L}{\partial x_t} = \frac{1}{T} \sum_{t'} \frac{\partial L}{\partial s_{t'}} h(u_{t'})
              \frac{\partial u_{t'}}{\partial x_{t'}}

    (Hao et al., ICLR 2024, code). In step mode s the backward pass reaches step t before the earlier ones, and the
    mean is taken over the steps t, ..., T - 1 instead [inferred].

    Args:
        surrogate: h, ``triangle`` or ``atan``.
        gamma: half width of the triangle.
        alpha: sharpness of ATan.
    """

    needs_membrane: ClassVar[bool] = True

    surrogate: Literal["triangle", "atan"] = "triangle"
    gamma: PositiveFloat = 1.0
    alpha: PositiveFloat = 2.0

    def __post_init__(self) -> None:
        triangle = self.surrogate == "triangle"
        self.rule = Triangle(gamma=self.gamma) if triangle else ATan(alpha=self.alpha)

    def input_gradient(self, record: TimeRecord, gradient: Tensor, first: int) -> Tensor:
        """The formula above, over the steps known."""
        local = gradient * self.rule.derivative(torch.stack(record.membranes[first:])) * record.gain
        return local.mean(0, keepdim=True).expand_as(local)
