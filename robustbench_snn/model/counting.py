"""What a backbone is made of, in numbers: parameters, their schema, presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based.neuron import ParametricLIFNode

from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders


@dataclass(frozen=True)
class ParameterCount:
    """Trainable numbers of a classifier.

    Attributes:
        parameters: all of them, as the authors count: with those that their code builds and never uses.
        parameters_paper: the same without the trainable leaks of PLIF neurons (one a layer), which papers leave out
            where they say that variants with LIF and with PLIF cost the same (TDFormer, arXiv:2505.15840).
        parameters_used: those that our model has, all of which take part.
    """

    parameters: int
    parameters_paper: int
    parameters_used: int


def count_parameters(classifier: Classifier) -> ParameterCount:
    """Counts the parameters of encoder and backbone."""
    used = sum(parameter.numel() for parameter in classifier.parameters())
    counted = used + classifier.backbone.unused_parameters
    layers = [module for module in classifier.modules() if isinstance(module, ParametricLIFNode)]
    leaks = sum(parameter.numel() for layer in layers for parameter in layer.parameters(recurse=False))
    return ParameterCount(counted, counted - leaks, used)


def direct_classifier(name: str, parameters: Mapping[str, Any], task: Task) -> Classifier:
    """A backbone by name behind the direct code, which is how published models are counted.

    Raises:
        UserError: if the name or a parameter is unknown or does not fit.
    """
    backbone: Backbone = backbones.create(name, task, **parameters)
    encoder: Encoder = encoders.create("direct", backbone.stem)
    return Classifier(encoder, backbone, task.timesteps)


def describe_backbone(
    name: str,
    parameters: Mapping[str, Any],
    classes: int = 10,
    image_size: int = 32,
    channels: int = 3,
    timesteps: int = 4,
) -> dict[str, Any]:
    """What ``rbsnn describe backbone NAME`` tells.

    Args:
        name: of the backbone or of one of its presets.
        parameters: in place of its defaults.
        classes: number of classes K.
        image_size: height and width in pixels.
        channels: image channels.
        timesteps: T.

    Returns:
        ``name``, ``summary``, ``parameters``, ``parameters_paper`` and ``parameters_used`` (see
        :class:`ParameterCount`; with the direct code's first layer), ``parameter_schema`` (JSON schema of the YAML
        parameters) and ``presets`` (name to the parameters that it fixes).

    Raises:
        UserError: if the name or a parameter is unknown or does not fit.
    """
    component = backbones.get(name)
    task = Task(channels, image_size, image_size, classes, timesteps, (0.0,) * channels, (1.0,) * channels)
    try:
        with torch.device("meta"):  # counting needs no memory and no random numbers
            classifier = direct_classifier(name, parameters, task)
    except (NotImplementedError, RuntimeError):  # a plug-in's backbone that looks at values as it is built
        classifier = direct_classifier(name, parameters, task)
    count = count_parameters(classifier)
    origin = component.declaration.origin
    declarations = [backbones.declaration(other) for other in backbones.names() if other in backbones]
    presets = {entry.name: dict(entry.preset) for entry in declarations if entry.origin == origin and entry.preset}
    return {
        "name": name,
        "summary": component.declaration.summary,
        "parameters": count.parameters,
        "parameters_paper": count.parameters_paper,
        "parameters_used": count.parameters_used,
        "parameter_schema": component.parameters.model_json_schema(),
        "presets": presets,
    }
