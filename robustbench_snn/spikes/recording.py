"""Records every spike of a forward pass, layer by layer and step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.estimator.noting import Notes
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.target import Target, Through

Observer = Callable[[str, int, Tensor], None]
"""Called with a layer's name, the number of the first step, and the spikes from that step on, (T', B, ...)."""


def layer_names(model: nn.Module) -> list[str]:
    """Names of all spiking neuron layers, in the order of ``model.modules()``."""
    names = {module: name for name, module in model.named_modules()}
    return [names[neuron] for neuron in spiking_neurons(model)]


@contextmanager
def watched(model: nn.Module, observe: Observer) -> Iterator[None]:
    """Calls ``observe`` with all spikes of one forward pass, in step modes m and s alike.

    The steps of a layer that is called several times in the pass, for one step or one segment of steps at a time, are
    numbered through.

    Args:
        model: the model that is run inside the context.
        observe: called after each call of a spiking neuron layer.
    """
    steps: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def after(neuron: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes = output if getattr(neuron, "step_mode", "m") == "m" else output[None]
            first = steps.get(name, 0)
            steps[name] = first + len(spikes)
            observe(name, first, spikes.detach())

        return after

    with ExitStack() as stack:
        for name, neuron in zip(layer_names(model), spiking_neurons(model), strict=True):
            handle = neuron.register_forward_hook(hook(name))
            stack.callback(handle.remove)
        yield


def fires_elsewhere(target: Target, images: Tensor) -> bool:
    """Whether a model makes spikes that :func:`watched` does not see: neurons written by hand, or of another library.

    They are found as by :mod:`robustbench_snn.estimator.census`: any threshold that the gradient meets counts, and any
    module that makes zeros and ones of something else. Encoders are left out: how they code is no layer of neurons.

    Args:
        target: the model, frozen.
        images: (B, C, H, W), a few typical ones.

    Returns:
        True also where nothing can look into the model: TorchScript, or code that runs without a gradient only.
    """
    model = target.model
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return True
    notes = Notes(target.of(model), Through.NO)
    try:
        notes.run(images[:1] if target.one_at_a_time else images)
    except RuntimeError:
        return True
    known = {*spiking_neurons(model), *(module for module in model.modules() if isinstance(module, Encoder))}
    return any(not event.stack & known for event in [*notes.sloped, *notes.binary])
