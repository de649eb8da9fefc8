"""An attack of a cascade under a gradient estimator."""

from __future__ import annotations

from contextlib import AbstractContextManager

from torch import Tensor

from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.contract import Attack
from robustbench_snn.estimator.contract import Estimator, EstimatorSpec, estimating, make
from robustbench_snn.model.target import Target


def stage(name: str, attack: Attack, estimator: EstimatorSpec = "training") -> Stage:
    """An attack of a cascade, under the estimator that a suite file names.

    Raises:
        UserError: if the estimator is unknown or its parameters are wrong.
    """
    template = make(estimator)  # built here once, so that a typo is found before anything runs

    def backward(target: Target, probe: Tensor) -> AbstractContextManager[Estimator]:
        return estimating(target, make(estimator) if template.stateful else template, probe)

    return Stage(name, attack, backward, stateful=template.stateful)
