"""How every model of a suite is built."""

from __future__ import annotations

from torch import nn

from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders, models
from robustbench_snn.spec.suite import ModelSpec


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
