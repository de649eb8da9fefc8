"""Straight-through: as if the spike were the membrane potential itself."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.estimator.contract import SpikeEstimator, register_estimator


@register_estimator("ste", version=2)
class StraightThrough(SpikeEstimator):
    """Slope 1 everywhere (Bengio et al., 2013, arXiv:1308.3432); weak on deep SNNs, useful as a control."""

    def derivative(self, membrane: Tensor) -> Tensor:
        """1."""
        return membrane.new_ones(()).expand_as(membrane)
