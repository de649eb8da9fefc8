"""Gradient checkpointing of spiking models: memory for time, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.swapping import swapped


@contextmanager
def recomputing(
    model: nn.Module, again: Callable[[nn.Module], AbstractContextManager[None]] = lambda part: nullcontext()
) -> Iterator[None]:
    """Forward passes inside keep only the inputs of the model's parts; the backward pass runs each part again.

    Chen et al., 2016, arXiv:1604.06174. A part is run again from the membranes that it had before, so that one that
    several segments of steps run through gives the same numbers too.

    An estimator in force at the forward pass must still be when the gradient is taken.

    Args:
        model: a classifier, whose backbone's stages are checkpointed, or any module, for its own parts. Layers in step
            mode s are left as they are.
        again: what a part is run in when the backward pass runs it, so that it runs as it did before.
    """
    with ExitStack() as stack:
        for part in parts(model):
            stack.enter_context(swapped(part, "forward", _recomputed(part, again)))
        yield


def parts(model: nn.Module) -> list[nn.Module]:
    """The outermost modules, looking into lists and sequences, that hold spiking neurons, all in step mode m."""
    found: list[nn.Module] = []
    for child in model.backbone.checkpointed() if isinstance(model, Classifier) else model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            found += parts(child)
        elif (neurons := spiking_neurons(child)) and all(neuron.step_mode == "m" for neuron in neurons):
            found.append(child)
    return found


def _recomputed(part: nn.Module, context: Callable[[nn.Module], AbstractContextManager[None]]) -> Callable[..., Tensor]:
    forward: Callable[..., Tensor] = part.forward

    def run(*inputs: Tensor) -> Tensor:
        before, again = _memories(part), False

        def whole(*values: Tensor) -> Tensor:
            nonlocal again
            if not again:
                again = True
                return forward(*values)
            now = _memories(part)
            _remember(before)
            try:
                with context(part):
                    return forward(*values)
            finally:  # checkpoint stops a second run, by an exception, once it has what it needs
                _remember(now)

        outputs: Tensor = checkpoint(whole, *inputs, use_reentrant=False)
        return outputs

    return run


def _memories(part: nn.Module) -> list[tuple[MemoryModule, dict[str, Any]]]:
    """Every membrane, and whatever else a reset clears."""
    modules = [module for module in part.modules() if isinstance(module, MemoryModule)]
    return [(module, dict(module._memories)) for module in modules]  # SpikingJelly offers no public way to ask


def _remember(memories: list[tuple[MemoryModule, dict[str, Any]]]) -> None:
    for module, values in memories:
        module._memories.update(values)
