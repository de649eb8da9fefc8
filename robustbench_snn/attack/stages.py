"""An attack of a cascade under a gradient estimator."""

from __future__ import annotations

from contextlib import AbstractContextManager

from torch import Tensor

from robustbench_snn.attack.cascade import Stage
from robustbench_snn.attack.contract import Attack
from robustbench_snn.estimator.contract import Estimator, estimating, make
from robustbench_snn.model.target import Target
from robustbench_snn.registry.spec import TRAINING, ComponentSpec


def stage(
    seed_label: str, attack: Attack, estimator: ComponentSpec | str | None = TRAINING, *, title: str = ""
) -> Stage:
    """An attack of a cascade, under the estimator that a suite file names.

    Args:
        seed_label: what its random streams follow from, besides seed and sample.
        attack: the algorithm.
        estimator: the backward pass; None for an attack that needs no gradient.
        title: what the breakdown calls the stage; the seed label if left out.

    Raises:
        UserError: if the estimator is unknown or its parameters are wrong.
    """
    if estimator is None:
        return Stage(seed_label, attack, title=title)
    template = make(estimator)  # built here once, so that a typo is found before anything runs

    def backward(target: Target, probe: Tensor) -> AbstractContextManager[Estimator]:
        return estimating(target, make(estimator) if template.stateful else template, probe)

    return Stage(seed_label, attack, backward, stateful=template.stateful, title=title)
