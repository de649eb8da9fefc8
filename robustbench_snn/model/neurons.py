"""The spiking neurons of every model, built in one place from one configuration.

Defaults are those of the Spikformer family (Zhou et al., 2023, arXiv:2209.15425): LIF with tau 2, threshold 1,
hard reset to 0, decayed input (H = V + (X - V) / tau), detached reset, surrogate Sigmoid(alpha=4).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from spikingjelly.activation_based import base, neuron, surrogate
from torch import nn

from robustbench_snn.kernels.compiling import state
from robustbench_snn.strict import Strict

StepMode = Literal["s", "m"]

_SURROGATES: dict[str, type[surrogate.SurrogateFunctionBase]] = {
    "sigmoid": surrogate.Sigmoid,
    "atan": surrogate.ATan,
    "triangle": surrogate.PiecewiseQuadratic,
}


class NeuronConfig(Strict):
    """A neuron type and its constants.

    Attributes:
        type: ``lif``, ``plif`` (trainable tau, Fang et al., 2021, arXiv:2007.05785), ``if`` (no leak) or ``relu``
            (no membrane and no spikes: the ANN twin of a model; every other constant is then without meaning).
        tau: membrane time constant, above 1; PLIF starts there; IF has none.
        threshold: firing threshold.
        surrogate: shape of the surrogate gradient at training.
        alpha: its sharpness.
        detach_reset: leave the reset out of the gradient.
    """

    type: Literal["lif", "plif", "if", "relu"] = "lif"
    tau: float = Field(default=2.0, gt=1.0)
    threshold: float = Field(default=1.0, gt=0.0)
    surrogate: Literal["sigmoid", "atan", "triangle"] = "sigmoid"
    alpha: float = Field(default=4.0, gt=0.0)
    detach_reset: bool = True

    def build(self, *, step_mode: StepMode = "m", threshold: float | None = None) -> nn.Module:
        """Makes one layer of neurons.

        Args:
            step_mode: ``m`` takes (T, B, ...) at once, ``s`` one step (B, ...) a call.
            threshold: in place of the configured one (attention fires at 0.5), in units of it: 0.5 of a
                configured threshold of 2 is 1.
        """
        scale = 1.0 if threshold is None else threshold
        common = {
            "v_threshold": self.threshold * scale,
            "v_reset": 0.0,
            "surrogate_function": _SURROGATES[self.surrogate](alpha=self.alpha),
            "detach_reset": self.detach_reset,
            "step_mode": step_mode,
        }
        match self.type:
            case "lif":
                node: nn.Module = neuron.LIFNode(tau=self.tau, decay_input=True, **common)
            case "plif":
                node = neuron.ParametricLIFNode(init_tau=self.tau, decay_input=True, **common)
            case "if":
                node = neuron.IFNode(**common)
            case "relu":
                node = nn.ReLU()
        return node


def spiking_neurons(model: nn.Module) -> list[nn.Module]:
    """All spiking neuron layers of a model, in the order of ``model.modules()``; empty for an ANN."""
    kinds = (neuron.BaseNode, neuron.SimpleBaseNode)
    return [module for module in model.modules() if isinstance(module, kinds)]


def reset(model: nn.Module) -> None:
    """Puts every membrane of the model back to rest.

    SpikingJelly's own ``reset_net`` caches the list of modules by model, which goes stale when a neuron is
    swapped; a walk over the modules costs microseconds.
    """
    for module in model.modules():
        if isinstance(module, base.MemoryModule):
            module.reset()


def implementation(model: nn.Module, device: torch.device | str) -> str:
    """What this process computes the model's neurons with on this device in float32, e.g. ``lif: fused, compiled``."""
    names = {neuron.LIFNode: "lif", neuron.ParametricLIFNode: "plif", neuron.IFNode: "if"}
    used = sorted({names[type(module)] for module in spiking_neurons(model) if type(module) in names})
    return "; ".join(f"{name}: fused, {state(device)}" for name in used) or "no spiking neurons"
