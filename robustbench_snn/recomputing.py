"""Gradient checkpointing of spiking models: memory for time, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from robustbench_snn.classifier import Classifier
from robustbench_snn.neurons import reset, spiking_neurons
from robustbench_snn.surrogates import swapped


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Forward passes inside keep only the inputs of the model's parts; the backward pass runs each part again.

    Chen et al., 2016, arXiv:1604.06174. A part is run again from membranes at rest. Every first call of a forward
    pass begins there, and a layer in step mode m gets all steps in that call; a later call of the same part, as of
    one in step mode s, is left as it is and keeps all that autograd saves.

    An estimator in force at the forward pass must still be when the gradient is taken.

    Args:
        model: a classifier, whose backbone's parts are checkpointed, or any module, for its own parts. Models that
            run several segments of steps through the same parts are left as they are.
    """
    with ExitStack() as stack:
        for part in parts(model):
            stack.enter_context(swapped(part, "forward", _recomputed(part)))
        yield


def parts(model: nn.Module) -> list[nn.Module]:
    """The outermost modules, looking into lists and sequences, that hold spiking neurons, all in step mode m."""
    if isinstance(model, Classifier):
        several = len(model.backbone.segments(model.timesteps)) > 1
        return [] if several else parts(model.backbone)
    found: list[nn.Module] = []
    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            found += parts(child)
        elif (neurons := spiking_neurons(child)) and all(neuron.step_mode == "m" for neuron in neurons):
            found.append(child)
    return found


def _recomputed(part: nn.Module) -> Callable[..., Tensor]:
    forward: Callable[..., Tensor] = part.forward

    def run(*inputs: Tensor) -> Tensor:
        if not _at_rest(part):
            return forward(*inputs)
        again = False

        def whole(*values: Tensor) -> Tensor:
            nonlocal again
            if not again:
                again = True
                return forward(*values)
            reset(part)
            try:
                return forward(*values)
            finally:  # checkpoint stops a second run, by an exception, once it has what it needs
                reset(part)

        outputs: Tensor = checkpoint(whole, *inputs, use_reentrant=False)
        return outputs

    return run


def _at_rest(part: nn.Module) -> bool:
    """Whether every membrane, and whatever else is reset with it, is as a reset leaves it."""
    memories = [module for module in part.modules() if isinstance(module, MemoryModule)]
    pairs = [  # SpikingJelly offers no public way to ask
        (value, module._memories_rv[name]) for module in memories for name, value in module._memories.items()
    ]
    return all(now is rest or (not isinstance(now, Tensor) and now == rest) for now, rest in pairs)
