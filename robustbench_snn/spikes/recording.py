"""Seeing every spike of a forward pass, layer by layer and step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from robustbench_snn.model.neurons import spiking_neurons

Observer = Callable[[str, int, Tensor], None]
"""Told the layer's name, the first step, and its spikes of that and the following steps, (T', B, ...)."""


def layer_names(model: nn.Module) -> list[str]:
    """Names of all spiking neuron layers, in the order of ``model.modules()``."""
    names = {module: name for name, module in model.named_modules()}
    return [names[neuron] for neuron in spiking_neurons(model)]


@contextmanager
def watched(model: nn.Module, observe: Observer) -> Iterator[None]:
    """Tells ``observe`` of all spikes of one forward pass, in step mode m and s alike.

    A layer that is called for one segment of steps at a time is told of as one run of steps.
    """
    steps: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def tell(neuron: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes = output if getattr(neuron, "step_mode", "m") == "m" else output[None]
            first = steps.get(name, 0)
            steps[name] = first + len(spikes)
            observe(name, first, spikes.detach())

        return tell

    with ExitStack() as stack:
        for name, neuron in zip(layer_names(model), spiking_neurons(model), strict=True):
            handle = neuron.register_forward_hook(hook(name))
            stack.callback(handle.remove)
        yield
