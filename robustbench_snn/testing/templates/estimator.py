"""Template title: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import Tensor

from robustbench_snn.plugins import SpikeEstimator, register_estimator


@register_estimator("template_name", version=1)
class TemplateName(SpikeEstimator):
    r"""One line for listings: a two-sided exponential around the threshold.

    .. math:: \frac{\alpha}{2} e^{-\alpha |u|}

    Args:
        alpha: sharpness.
    """

    alpha: PositiveFloat = 2.0

    def derivative(self, membrane: Tensor) -> Tensor:
        """What stands for ds/du at u = membrane potential - threshold, of any shape."""
        return self.alpha / 2.0 * (-self.alpha * membrane.abs()).exp()
