"""How a classifier is built from two names."""

from __future__ import annotations

from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.task import Task
from robustbench_snn.parameters import Readout
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.registry.spec import ComponentSpec


def build_parts(encoder: ComponentSpec, backbone: ComponentSpec, task: Task) -> tuple[Encoder, Backbone]:
    """Builds a backbone, which says what stem the encoder has, and the encoder."""
    body: Backbone = backbones.create(backbone.name, task, **backbone.parameters)
    head: Encoder = encoders.create(encoder.name, body.stem, **encoder.parameters)
    return head, body


def build_classifier(
    encoder: ComponentSpec, backbone: ComponentSpec, task: Task, readout: Readout | None = None
) -> Classifier:
    """Builds an encoder on a backbone.

    Args:
        encoder: the spike encoder.
        backbone: the backbone, which is built first.
        task: what the model is asked to do.
        readout: logits of the steps to one answer; None takes the backbone's own.
    """
    return Classifier(*build_parts(encoder, backbone, task), task.timesteps, readout)
