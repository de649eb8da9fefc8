"""Learnable initial membrane potentials (IMP; Shen et al., NeurIPS 2024)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from robustbench_snn.model.encoder import Encoder, Stem, register_encoder
from robustbench_snn.model.neurons import reset, spiking_neurons


class InitialMembrane(nn.Module):
    r"""The membrane potential that one layer of neurons starts from, in place of 0.

    Args:
        shape: that of one step and one sample, e.g. (C, H, W).
        sigmoid: start from sigmoid(v0) instead of v0.
    """

    def __init__(self, shape: tuple[int, ...], *, sigmoid: bool) -> None:
        super().__init__()
        self.v0 = nn.Parameter(torch.empty(1, *shape).uniform_(0.4, 0.6))
        self.sigmoid = sigmoid

    def start(self, neuron: Any, inputs: tuple[Tensor, ...]) -> None:
        """Forward pre-hook: a membrane at rest gets its potential; one that runs already is left alone."""
        if isinstance(neuron.v, float):
            steps = 1 if neuron.step_mode == "m" else 0
            neuron.v = (self.v0.sigmoid() if self.sigmoid else self.v0).expand(inputs[0].shape[steps:])


@register_encoder(
    "imp",
    version=1,
    stochastic=False,
    causal=True,
    gradient="surrogate",
    spiking=True,
    takes="both",
    presets={"imp_encoder": {"scope": "encoder"}, "imp_all": {"scope": "all"}},
)
class IMP(Encoder):
    r"""Direct coding in a network whose neurons start from trained membrane potentials.

    .. math:: V_{-1} = v_0 \text{ or } \mathrm{sigmoid}(v_0), \quad v_0 \sim \mathcal{U}(0.4, 0.6) \text{ at the start}

    One map a layer, (1, C, H, W), shared by all samples. The authors train on the last step's logits alone: name the
    readout ``last`` for that (LTS).

    Args:
        scope: which neurons: ``backbone`` (all but the encoder's, as the authors do), ``encoder`` or ``all``.
        sigmoid: start from sigmoid(v0).

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1], or event frames (B, F, C, H, W)
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self, stem: Stem, *, scope: Literal["backbone", "encoder", "all"] = "backbone", sigmoid: bool = False
    ) -> None:
        super().__init__(stem)
        self.scope: Literal["backbone", "encoder", "all"] = scope
        self.sigmoid = sigmoid
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking_only("imp")
        self.membranes = nn.ModuleList()
        if scope != "backbone":
            self._begin(self.neuron, (stem.channels, stem.height, stem.width))

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        spikes: Tensor = self.neuron(self.driven(self.normalize(images), timesteps))
        return spikes

    def attach(self, backbone: nn.Module) -> None:
        """Gives every layer of neurons in the backbone its initial membrane.

        Raises:
            ValueError: if this encoder already serves another backbone.
        """
        if self.scope == "encoder" or self._serves(backbone):
            return
        if len(self.membranes) > (self.scope == "all"):
            raise ValueError("an IMP encoder holds the membranes of one backbone; make another for the next")
        task, stem = self.stem.task, self.stem
        silence = torch.zeros(task.timesteps, 1, stem.channels, stem.height, stem.width)
        for neuron, shape in membrane_shapes(backbone, silence).items():
            self._begin(neuron, shape)

    def _serves(self, backbone: nn.Module) -> bool:
        """Whether some neuron of the backbone starts from a membrane of ours."""
        hooks = (hook for neuron in spiking_neurons(backbone) for hook in neuron._forward_pre_hooks.values())
        return any(getattr(hook, "__self__", None) in set(self.membranes) for hook in hooks)

    def _begin(self, neuron: nn.Module, shape: tuple[int, ...]) -> None:
        membrane = InitialMembrane(shape, sigmoid=self.sigmoid)
        self.membranes.append(membrane)
        neuron.register_forward_pre_hook(membrane.start)


def membrane_shapes(backbone: nn.Module, spikes: Tensor) -> dict[nn.Module, tuple[int, ...]]:
    """Runs a backbone once and notes the shape of one sample's membranes in every layer of neurons that it uses.

    Args:
        backbone: spikes (T, B, C_e, H_e, W_e) to logits; left as it was, at rest.
        spikes: what to run it on.
    """
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def note(neuron: Any, inputs: tuple[Tensor, ...]) -> None:
        shapes.setdefault(neuron, tuple(inputs[0].shape[2 if neuron.step_mode == "m" else 1 :]))

    handles = [neuron.register_forward_pre_hook(note) for neuron in spiking_neurons(backbone)]
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()  # batch norm must not count this run
    with torch.no_grad():
        backbone(spikes)
    for module, training in modes.items():
        module.training = training
    for handle in handles:
        handle.remove()
    reset(backbone)
    return {neuron: shapes[neuron] for neuron in spiking_neurons(backbone) if neuron in shapes}
