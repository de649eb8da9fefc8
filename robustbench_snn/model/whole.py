"""Whole models from plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from robustbench_snn.registry import models

F_ = TypeVar("F_", bound=Callable[..., nn.Module])


def register_model(
    name: str,
    *,
    version: int,
    stochastic: bool = False,
    raw: bool = False,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[F_], F_]:
    """Puts a function ``(task, *, ...) -> nn.Module`` under ``name``, for suites to test a model of any making.

    The module maps images (B, C, H, W) in [0, 1] to logits (B, K), whatever its neurons are made of, and comes ready:
    it is evaluated as returned, not trained. One that keeps what no probe finds resets itself in its forward.

    Args:
        name: name in suite files, under ``model:``.
        version: raised whenever the model's numbers change.
        stochastic: whether two forwards of one image differ.
        raw: a net of SpikingJelly layers that runs one step a call (step mode s) or takes (T, B, C, H, W) (step mode
            m); the package runs the suite's timesteps, and averages the logits.
        presets: other names under which some parameters have other defaults.
    """
    return models.register(name, version=version, presets=presets, stochastic=stochastic, raw=raw)
