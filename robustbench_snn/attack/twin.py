"""Twins of a spiking model: its own weights without spikes, as sources of transfer attacks.

A transfer needs nothing of the model's backward pass, so a surrogate that hides the gradient hides nothing from it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from robustbench_snn.model.neurons import reset, spiking_neurons
from robustbench_snn.model.target import Target, lock_of


class SoftSpike(nn.Module):
    r"""A graded spike, :math:`\sigma(\alpha u)`, in place of the step at u = membrane potential - threshold.

    Args:
        sharpness: alpha; the step is its limit.
    """

    spiking = False  # SpikingJelly's layers ask, and fire by a plain comparison where it is True in eval mode

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, membrane: Tensor) -> Tensor:
        """Values in (0, 1) of u of any shape."""
        return torch.sigmoid(self.sharpness * membrane)


def relu_twin(target: Target) -> Target | None:
    r"""The same network with :math:`\mathrm{relu}(x / \theta)` of the input current x for every layer of neurons.

    The "activation" rule of Özdenizci and Legenstein (TMLR 2024), with thresholds as units of the current. They run
    it at T = 1; here T stays, since the steps of an encoder may differ: where they do not, that is the same network.

    Args:
        target: the model; it is left as it is, and shares its weights and buffers with the twin.

    Returns:
        The twin; None if the model has no spiking neurons, or cannot be copied.
    """
    return _twin(target, _relu)


def soft_twin(target: Target, sharpness: float = 8.0) -> Target | None:
    """The same network, membranes, leak and reset included, with a :class:`SoftSpike` for every spike.

    Its gradient is that of its own forward pass, which a surrogate's is not; a detached reset stays detached.

    Args:
        target: as in :func:`relu_twin`.
        sharpness: of the spikes, in 1 / membrane potential.

    Returns:
        As :func:`relu_twin`.
    """

    def soften(neuron: nn.Module) -> None:
        neuron.surrogate_function = SoftSpike(sharpness)

    return _twin(target, soften)


def _relu(neuron: nn.Module) -> None:
    threshold = float(getattr(neuron, "v_threshold", 1.0))
    # replaced in the layer, so that whoever reads a constant of the neuron still finds it
    neuron.__dict__["forward"] = lambda current: torch.relu(current / threshold)


def _twin(target: Target, change: Callable[[nn.Module], None]) -> Target | None:
    """A copy that shares parameters and buffers, with every layer of neurons changed."""
    if not target.neurons:
        return None
    with lock_of(target.model):
        reset(target.model)  # membranes with a graph cannot be copied
        shared = {id(tensor): tensor for tensor in [*target.model.parameters(), *target.model.buffers()]}
        try:
            model = copy.deepcopy(target.model, dict(shared))
        except (RuntimeError, TypeError):
            return None
    for neuron in spiking_neurons(model):
        change(neuron)
    return target.of(model.eval())
