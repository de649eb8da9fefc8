"""How the models of a suite are built, untrained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from robustbench_snn.errors import UserError
from robustbench_snn.machine import total_memory
from robustbench_snn.model.building import build_classifier, build_parts
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.task import Task
from robustbench_snn.parameters import Readout
from robustbench_snn.registry import backbones, encoders, models
from robustbench_snn.registry.spec import ComponentSpec


def build_checked(
    encoder: ComponentSpec, backbone: ComponentSpec, task: Task, readout: Readout | None = None
) -> Classifier:
    """As :func:`robustbench_snn.model.building.build_classifier`, for what a suite file asks for.

    Raises:
        UserError: if the two do not go together, or their weights would not fit into this machine's memory.
    """
    if not (encoders.get(encoder.name).is_outside or backbones.get(backbone.name).is_outside):
        with torch.device("meta"), _weighed(total_memory()):  # shapes alone: no memory, no random numbers
            build_parts(encoder, backbone, task)
    return build_classifier(encoder, backbone, task, readout)


@contextmanager
def _weighed(most: int) -> Iterator[None]:
    """Refuses what is built inside as soon as its parameters and buffers are more than so many bytes."""
    weight = 0

    def weigh(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal weight
        weight += 0 if tensor is None else tensor.numel() * tensor.element_size()
        if weight > most:
            raise UserError(
                f"its weights need more than the {most / 2**30:.1f} GiB of memory that this machine has; "
                "take a smaller depth, width or kernel"
            )

    hooks = (
        torch_module.register_module_parameter_registration_hook(weigh),
        torch_module.register_module_buffer_registration_hook(weigh),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def build_plugin_model(model: ComponentSpec, task: Task) -> nn.Module:
    """Builds the whole model of a plug-in; it comes as the plug-in's function returns it.

    Raises:
        UserError: if the function raises anything, or returns no torch module.
    """
    module = models.create(model.name, task, **model.parameters)
    if not isinstance(module, nn.Module):
        raise UserError(
            f"the model '{model.name}' of a plug-in is {type(module).__name__}, not a torch.nn.Module; its function "
            "must return the module that maps images (B, C, H, W) to logits (B, K)"
        )
    return module
