"""Evolutionary leak of FEEL-SNN: a trainable leak for every step and neuron (Xu et al., NeurIPS 2024)."""

from __future__ import annotations

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor

from robustbench_snn.encoders.fe import PUBLISHED, frequency_frames
from robustbench_snn.model.encoder import Encoder, Stem, register_encoder
from robustbench_snn.model.position_embedding import Overrun, PositionEmbedding


class EvolutionaryLeakNode(neuron.BaseNode):  # type: ignore[misc]
    r"""Spiking neurons with a leak of their own at every step, multi-step.

    .. math:: H_t = \lambda_t \odot V_{t-1} + I_t, \quad S_t = [H_t \ge \theta], \quad V_t = H_t (1 - S_t)

    The input is not decayed; the surrogate gradient is the triangle max(0, 1 - abs(H - theta)).

    Args:
        leak: :math:`\lambda`, (T, C, H, W).
        threshold: :math:`\theta`.
        detach_reset: leave the reset out of the gradient.
    """

    v: Tensor | float

    def __init__(self, leak: PositionEmbedding, *, threshold: float, detach_reset: bool) -> None:
        super().__init__(threshold, 0.0, surrogate.PiecewiseQuadratic(alpha=1.0), detach_reset, step_mode="m")
        self.leak = leak

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Currents (T, B, C, H, W) to spikes of the same shape."""
        v = self.v
        spikes: list[Tensor] = []
        for leak, current in zip(self.leak(len(x_seq)), x_seq, strict=True):
            v = leak * v + current
            spikes.append(self.surrogate_function(v - self.v_threshold))
            v = v * (1.0 - (spikes[-1].detach() if self.detach_reset else spikes[-1]))
        self.v = v
        return torch.stack(spikes)


@register_encoder(
    "el",
    version=1,
    stochastic=False,
    causal=True,
    gradient="surrogate",
    spiking=True,
    presets={"feel": {"frequency": True}},
)
class EL(Encoder):
    r"""Direct or frequency-encoded frames into neurons whose leak is trained by step, channel and place.

    .. math:: H_t = \lambda_t \odot V_{t-1} + \mathrm{BN}(W\,\text{frame}_t), \quad S_t = [H_t \ge \theta]

    Here the leak is that of the encoder's neurons alone. The preset ``feel`` joins it with frequency encoding, as
    FEEL-SNN does. Whether the authors detach the reset is not known: the backbone's setting holds.

    Args:
        frequency: show the frames of frequency encoding instead of the image itself.
        overrun: what the leak does beyond the T of training: ``hold`` its last map, ``interpolate`` or ``refuse``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, frequency: bool = False, overrun: Overrun = "hold") -> None:
        super().__init__(stem)
        self.frequency = frequency
        self.drive = stem.conv_bn()
        leak = torch.ones(stem.task.timesteps, stem.channels, stem.height, stem.width)
        self.neuron = EvolutionaryLeakNode(
            PositionEmbedding(leak, overrun), threshold=stem.neuron.threshold, detach_reset=stem.neuron.detach_reset
        )
        self.declare(causal=overrun != "interpolate")

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        if self.frequency:
            frames = self.normalize(frequency_frames(images, timesteps, PUBLISHED))
            drive = self.drive(frames.flatten(0, 1))
            drive = drive.reshape(timesteps, len(images), *drive.shape[1:])
        else:
            drive = self.drive(self.normalize(images))
            drive = drive.expand(timesteps, *drive.shape)
        spikes: Tensor = self.neuron(drive)
        return spikes

    def overrun(self, timesteps: int) -> str:
        """What the leak does at this T."""
        return f"leak: {self.neuron.leak.describe(timesteps)}"
