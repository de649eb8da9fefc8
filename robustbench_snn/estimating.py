"""Gradient estimators: other backward passes for the same forward pass."""

from __future__ import annotations

from typing import Any

from robustbench_snn.attacking.attack import Attack
from robustbench_snn.attacking.cascade import Stage, training_surrogate
from robustbench_snn.errors import UserError

EstimatorSpec = str | dict[str, dict[str, Any]]
"""A name, or a name with parameters, as suite files write it: ``atan`` or ``{atan: {alpha: 10}}``."""


def stage(name: str, attack: Attack, estimator: EstimatorSpec = "training") -> Stage:
    """An attack under an estimator."""
    if estimator != "training":
        raise UserError(f"unknown estimator {estimator}")
    return Stage(name, attack, training_surrogate)
