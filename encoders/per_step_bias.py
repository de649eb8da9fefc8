"""A trainable bias for every step and place: the position embedding of STF without its feedback."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.model.encoder import Encoder, Stem, register_encoder
from robustbench_snn.model.position_embedding import Overrun, PositionEmbedding, image_position_embedding


@register_encoder(
    "per_step_bias",
    version=1,
    stochastic=False,
    causal=True,
    gradient="surrogate",
    spiking=True,
    takes="both",
    presets={"per_step_bias_image": {"place": "image"}},
)
class PerStepBias(Encoder):
    r"""Adds a trainable map to the drive, or to the image, at each step.

    .. math::
        \text{feature: } S_t = \mathrm{LIF}(\mathrm{BN}(W x) + E_t), \quad
        \text{image: } S_t = \mathrm{LIF}(\mathrm{BN}(W (x + E_t)))

    The ablation of STF (Zheng et al., 2025, arXiv:2508.00387) that keeps the embedding alone.

    Args:
        place: where E is added.
        init: ``sincos`` as in STF, or ``zero``: an untrained encoder is then direct coding.
        overrun: what E does beyond the T of training: ``hold`` its last map, ``interpolate`` or ``refuse``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1], or event frames (B, F, C, H, W)
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        place: Literal["feature", "image"] = "feature",
        init: Literal["sincos", "zero"] = "sincos",
        overrun: Overrun = "hold",
    ) -> None:
        super().__init__(stem)
        task = stem.task
        self.place: Literal["feature", "image"] = place
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking()
        if init == "zero":
            size = (stem.channels, stem.height, stem.width)
            size = size if place == "feature" else (task.channels, task.height, task.width)
            self.bias = PositionEmbedding(torch.zeros(task.timesteps, *size), overrun)
        elif place == "feature":
            self.bias = stem.position_embedding(overrun)
        else:
            table = image_position_embedding(task.timesteps, task.channels, task.height, task.width)
            self.bias = PositionEmbedding(table, overrun)
        self.declare(causal=overrun != "interpolate")

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        x, bias = self.normalize(images), self.bias(timesteps)[:, None]
        if self.place == "feature":
            drive = self.driven(x, timesteps) + bias
        else:
            drive = self.driven_by_step(self.shown(x, timesteps) + bias)
        spikes: Tensor = self.neuron(drive)
        return spikes

    def overrun(self, timesteps: int) -> str:
        """What E does at this T."""
        return self.bias.describe(timesteps)
