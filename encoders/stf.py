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
    takes="both",
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
        \text{STF-1:}\quad S_t &= \mathrm{LIF}(\mathrm{BN}(W (x + P^x_t + F_{t-1})) + P^s_t) \\
        \text{STF-2:}\quad S_t &= \mathrm{LIF}(\mathrm{BN}(W (x + P^x_t)) + P^s_t + F_{t-1})

    Event frames take the place of x, a frame a step, :math:`x_t`.

    P is the trainable temporal-spatial position embedding (TSPE). It has one of two forms, added to the image
    (:math:`P^x`) or to the feature behind the batch norm (:math:`P^s`); the other one is zero. The default is the
    paper's main variant, "arch 4": STF-2 with :math:`P^s`. Membranes and F are carried over the steps; the last F
    would never be used and is not computed.

    Args:
        feedback: where F goes: the ``feature`` (STF-2), the ``image`` (STF-1), or ``none`` (TSPE alone, F = 0).
        embed: form of P: ``feature`` (T, C_e, H_e, W_e), ``image`` (T, C, H, W), or ``none`` (TF alone, P = 0).
        kernel: size of the feedback convolution W_f. In a stem that downsamples, STF-1's is a transposed
            convolution of kernel 2 and stride 2 instead, cropped to the image, and this is not used.
        activation: spiking neurons after BN_f: ``none``, ``lif`` or ``plif``.
        overrun: what P does beyond the T of training: ``hold`` its last map, ``interpolate`` or ``refuse``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1], or event frames (B, F, C, H, W)
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
        self.declare(causal=embed == "none" or overrun != "interpolate")

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        x = self.normalize(images)
        zero = x.new_zeros(timesteps)  # scalars: added to a half-precision drive, they leave it in half precision
        position = zero if self.place == "none" else self.embedding(timesteps)
        image, feature = (position, zero) if self.place == "image" else (zero, position)
        return self.stf1(x, image, feature) if self.target == "image" else self.stf2(x, image, feature)

    def stf1(self, x: Tensor, image: Tensor, feature: Tensor) -> Tensor:
        r"""Normalised x, :math:`P^x` and :math:`P^s` (T, ...) to the spikes of STF-1."""
        spikes: list[Tensor] = []
        shown = self.shown_singly(x, len(image))
        back = torch.zeros_like(shown[0])
        for t in range(len(image)):
            if t > 0:
                back = self.feedback(spikes[-1])[..., : x.shape[-2], : x.shape[-1]]
            spikes.append(self.neuron(self.drive(shown[t] + image[t] + back) + feature[t]))
        return torch.stack(spikes)

    def stf2(self, x: Tensor, image: Tensor, feature: Tensor) -> Tensor:
        r"""Normalised x, :math:`P^x` and :math:`P^s` (T, ...) to the spikes of STF-2."""
        spikes: list[Tensor] = []
        drive = self._drive_all(x, image)
        back = torch.zeros_like(drive[0])
        for t in range(len(image)):
            if t > 0:
                back = self.feedback(spikes[-1])
            spikes.append(self.neuron(drive[t] + feature[t] + back))
        return torch.stack(spikes)

    def _drive_all(self, x: Tensor, image: Tensor) -> Tensor:
        """BN(W (x + P^x_t)) of every step, (T, B, C_e, H_e, W_e): F does not reach it, so it needs no loop."""
        if self.place != "image":
            return self.driven(x, len(image))
        shown = zip(self.shown_singly(x, len(image)), image, strict=True)
        return self.driven_by_step(torch.stack([frame + position for frame, position in shown]))

    def overrun(self, timesteps: int) -> str:
        """What the embedding does at this T."""
        if isinstance(self.embedding, PositionEmbedding):
            return self.embedding.describe(timesteps)
        return super().overrun(timesteps)


class NoFeedback(nn.Module):
    """F = 0, so that TSPE alone is STF-2 without its last term."""

    def forward(self, spikes: Tensor) -> Tensor:
        """Zeros of the spikes' shape (B, C_e, H_e, W_e)."""
        return torch.zeros_like(spikes)


def _feedback(stem: Stem, target: Target, kernel: int, activation: Activation) -> nn.Module:
    """W_f, BN_f and, if asked for, neurons."""
    if target == "none":
        return NoFeedback()
    channels = stem.channels if target == "feature" else stem.task.channels
    convolution: nn.Module = nn.Conv2d(stem.channels, channels, kernel, padding=kernel // 2, bias=False)
    if target == "image" and stem.pool:
        convolution = nn.ConvTranspose2d(stem.channels, channels, 2, stride=2, bias=False)
    layers = [convolution, nn.BatchNorm2d(channels)]
    if activation != "none":
        layers.append(stem.neuron.model_copy(update={"type": activation}).build(step_mode="s"))
    return nn.Sequential(*layers)


def _embedding(stem: Stem, form: Target, overrun: Overrun) -> nn.Module:
    """P in its feature or image form; for ``none`` a stand-in without parameters that is never called."""
    task = stem.task
    match form:
        case "none":
            return nn.Identity()
        case "feature":
            return stem.position_embedding(overrun)
        case "image":
            table = image_position_embedding(task.timesteps, task.channels, task.height, task.width)
            return PositionEmbedding(table, overrun)
