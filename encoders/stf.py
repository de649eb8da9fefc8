"""Shallow-level temporal feedback (Zheng et al., 2025, arXiv:2508.00387)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from robustbench_snn.model.encoder import Encoder, Stem, register_encoder
from robustbench_snn.model.position_embedding import Overrun, PositionEmbedding, image_position_embedding

Target = Literal["feature", "image", "none"]
Activation = Literal["none", "lif", "plif"]


@register_encoder(
    "stf",
    version=1,
    stochastic=False,
    causal=True,
    gradient="surrogate",
    spiking=True,
    presets={
        "stf1": {"feedback": "image"},
        "stf2": {"feedback": "feature"},
        "stf_arch1": {"feedback": "image", "embed": "feature"},
        "stf_arch2": {"feedback": "image", "embed": "image"},
        "stf_arch3": {"feedback": "feature", "embed": "image"},
        "stf_arch4": {"feedback": "feature", "embed": "feature"},
        "stf_arch5": {"feedback": "feature", "embed": "none"},
        "stf1_tf_only": {"feedback": "image", "embed": "none"},
        "stf_tf_only": {"feedback": "feature", "embed": "none"},
        "stf_tspe_only": {"feedback": "none", "embed": "feature"},
        "stf_tspe_image_only": {"feedback": "none", "embed": "image"},
        "stf_kernel1": {"kernel": 1},
        "stf1_kernel1": {"feedback": "image", "kernel": 1},
        "stf_lif": {"activation": "lif"},
        "stf_plif": {"activation": "plif"},
    },
)
class STF(Encoder):
    r"""Feeds the spikes of step t-1 back into the input of the first layer at step t.

    .. math::
        F_t &= \mathrm{BN}_f(W_f S_t), \quad F_{-1} = 0 \\
        \text{feedback to the feature (STF-2):}\quad S_t &= \mathrm{LIF}(\mathrm{BN}(W x) + P_t + F_{t-1}) \\
        \text{feedback to the image (STF-1):}\quad S_t &= \mathrm{LIF}(\mathrm{BN}(W (x + F_{t-1})) + P_t)

    P is the trainable temporal-spatial position embedding (TSPE). Its feature form is added after the batch norm,
    as above; its image form is added to x instead. The default is the paper's main variant, "arch 4". Where neither
    the feedback nor P touches the image, convolution and batch norm run once for all T. Membranes and F are carried
    over the steps; the last F would never be used and is not computed.

    Args:
        feedback: where F goes: the ``feature`` (STF-2), the ``image`` (STF-1), or ``none`` (TSPE alone).
        embed: form of P: ``feature`` (T, C_e, H_e, W_e), ``image`` (T, C, H, W), or ``none`` (TF alone).
        kernel: size of the feedback convolution W_f. In a stem that downsamples, STF-1's is a transposed
            convolution of kernel 2 and stride 2 instead, cropped to the image, and this is not used.
        activation: spiking neurons after BN_f: ``none``, ``lif`` or ``plif``.
        overrun: what P does beyond the T of training: ``hold`` its last map, ``interpolate`` or ``refuse``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        feedback: Target = "feature",
        embed: Target = "feature",
        kernel: Literal[1, 3] = 3,
        activation: Activation = "none",
        overrun: Overrun = "hold",
    ) -> None:
        super().__init__(stem)
        self.target: Target = feedback
        self.place: Target = embed
        self.drive = stem.conv_bn()
        self.feedback = _feedback(stem, feedback, kernel, activation)
        self.embedding = _embedding(stem, embed, overrun)
        self.neuron = stem.spiking(step_mode="s")
        self.declare(causal=self.embedding is None or overrun != "interpolate")

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        x = self.normalize(images)
        maps = None if self.embedding is None else self.embedding(timesteps)
        seen = _per_step(maps, timesteps, self.place == "image")
        added = _per_step(maps, timesteps, self.place == "feature")
        drive = None if self.target == "image" else self._drive_all(x, seen)
        spikes: list[Tensor] = []
        back: Tensor | None = None
        for t in range(timesteps):
            if drive is None:
                current = _sum(self.drive(_sum(x, seen[t], back)), added[t])
            else:
                current = _sum(drive[t], added[t], back)
            spikes.append(self.neuron(current))
            if self.feedback is not None and t + 1 < timesteps:
                back = self.feedback(spikes[-1])
                if self.target == "image":
                    back = back[..., : x.shape[-2], : x.shape[-1]]
        return torch.stack(spikes)

    def _drive_all(self, x: Tensor, seen: list[Tensor | None]) -> Tensor:
        """BN(W x) of every step, (T, B, C_e, H_e, W_e): one pass for all T if no step adds to the image."""
        if seen[0] is None:
            drive: Tensor = self.drive(x)
            return drive.expand(len(seen), *drive.shape)
        frames = torch.stack([_sum(x, place) for place in seen])
        drive = self.drive(frames.flatten(0, 1))
        return drive.reshape(len(seen), len(x), *drive.shape[1:])

    def overrun(self, timesteps: int) -> str:
        """What the embedding does at this T."""
        return super().overrun(timesteps) if self.embedding is None else self.embedding.describe(timesteps)


def _feedback(stem: Stem, target: Target, kernel: int, activation: Activation) -> nn.Sequential | None:
    """W_f, BN_f and, if asked for, neurons."""
    if target == "none":
        return None
    channels = stem.channels if target == "feature" else stem.task.channels
    convolution: nn.Module = nn.Conv2d(stem.channels, channels, kernel, padding=kernel // 2, bias=False)
    if target == "image" and stem.pool:
        convolution = nn.ConvTranspose2d(stem.channels, channels, 2, stride=2, bias=False)
    layers = [convolution, nn.BatchNorm2d(channels)]
    if activation != "none":
        layers.append(stem.neuron.model_copy(update={"type": activation}).build(step_mode="s"))
    return nn.Sequential(*layers)


def _embedding(stem: Stem, form: Target, overrun: Overrun) -> PositionEmbedding | None:
    """P in its feature or image form."""
    task = stem.task
    match form:
        case "none":
            return None
        case "feature":
            return stem.position_embedding(overrun)
        case "image":
            table = image_position_embedding(task.timesteps, task.channels, task.height, task.width)
            return PositionEmbedding(table, overrun)


def _per_step(maps: Tensor | None, timesteps: int, wanted: bool) -> list[Tensor | None]:
    return list(maps) if maps is not None and wanted else [None] * timesteps


def _sum(first: Tensor, *others: Tensor | None) -> Tensor:
    """Adds what is there."""
    for other in others:
        if other is not None:
            first = first + other
    return first
