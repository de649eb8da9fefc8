"""Whole models from plug-ins, and how every model of a suite is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from robustbench_snn.backbone import Backbone
from robustbench_snn.classifier import Classifier
from robustbench_snn.encoding import Encoder
from robustbench_snn.registry import backbones, encoders, models
from robustbench_snn.spec import ModelSpec
from robustbench_snn.task import Task

F_ = TypeVar("F_", bound=Callable[..., nn.Module])


def register_model(
    name: str,
    *,
    version: int,
    stochastic: bool = False,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[F_], F_]:
    """Puts a function ``(task, *, ...) -> nn.Module`` under ``name``, for suites to test a model of any making.

    The module maps images (B, C, H, W) in [0, 1] to logits (B, K), is built of SpikingJelly neurons (or is an
    ANN), and comes ready: it is evaluated as returned, not trained.

    Args:
        name: name in suite files, under ``model:``.
        version: raised whenever the model's numbers change.
        stochastic: whether two forwards of one image differ.
        presets: other names under which some parameters have other defaults.
    """
    return models.register(name, version=version, presets=presets, stochastic=stochastic)


def build_model(spec: ModelSpec, task: Task) -> nn.Module:
    """Builds a suite's model, untrained; a model from a plug-in comes as its function returns it.

    Args:
        spec: an entry with the suite's settings filled in (``SuiteSpec.entries``).
        task: what the model is asked to do.
    """
    if spec.model is not None:
        module: nn.Module = models.create(spec.model.name, task, **spec.model.parameters)
        return module
    assert spec.encoder is not None
    assert spec.backbone is not None
    backbone: Backbone = backbones.create(spec.backbone.name, task, **spec.backbone.parameters)
    encoder: Encoder = encoders.create(spec.encoder.name, backbone.stem, **spec.encoder.parameters)
    return Classifier(encoder, backbone, task.timesteps, spec.readout)
