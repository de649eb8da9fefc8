"""The models of a suite with every setting filled in: what is planned, trained and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustbench_snn.parameters import Readout
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.strict import Strict


class ClassifierEntry(Strict):
    """An encoder on a backbone, trained by a recipe or with weights from a file.

    Attributes:
        name: the table row's.
        encoder: the spike encoder.
        backbone: the backbone.
        readout: logits of the steps to one answer; None takes the backbone's own.
        timesteps: T at training, at least 1.
        recipe: the training recipe.
        seeds: one model is made for each; weights from a file are one model.
        weights: path of the safetensors file that takes the place of a training; None trains.
    """

    name: str
    encoder: ComponentSpec
    backbone: ComponentSpec
    readout: Readout | None
    timesteps: int
    recipe: Mapping[str, Any]
    seeds: tuple[int, ...]
    weights: str | None


class PluginEntry(Strict):
    """A whole model of a plug-in, evaluated as its function returns it.

    Attributes:
        name: the table row's.
        model: the registered model (``@register_model``).
        timesteps: T that the model is asked for, at least 1.
        seeds: the one seed that is set before the model is made.
    """

    name: str
    model: ComponentSpec
    timesteps: int
    seeds: tuple[int, ...]


Entry = ClassifierEntry | PluginEntry
"""One row of the table."""
