"""Gated attention coding (Qiu et al., AAAI 2024)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import Encoder, Stem, register_encoder
from robustbench_snn.parameters import Count


@register_encoder("gac", version=1, stochastic=False, causal=False, gradient="surrogate", spiking=False)
class GAC(Encoder):
    r"""Gates the spikes of direct coding with an attention over steps and one over channels and places.

    .. math::
        u &= \mathrm{BN}(W x), \quad s = \mathrm{LIF}(u), \quad
        \mathrm{TA} = M(\mathrm{avg}_{CHW}\, u) + M(\mathrm{max}_{CHW}\, u) \\
        \mathrm{SCA} &= W_2\, \mathrm{ReLU}(W_1 u), \quad out = \sigma(\mathrm{TA} \cdot \mathrm{SCA}) \odot s

    M is a perceptron over the steps, T to T/ratio to T, without bias, shared by both poolings; W_1 and W_2 are
    convolutions of size 4, "same" padding, shared by all steps, without bias. That both act on u, and that they have
    no bias, is this project's reading, in accord with the published count. The output is real-valued.

    M ties the model to its T. At another T the pooled profile is stretched linearly to the T of training and the
    attention back, or the run is refused.

    Args:
        time_ratio: reduction of M's hidden layer.
        channel_ratio: reduction of the channels between W_1 and W_2.
        kernel: size of W_1 and W_2.
        overrun: what M does at another T: ``interpolate`` or ``refuse``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - returns: (T, B, C_e, H_e, W_e), real values in [0, 1)
    """

    def __init__(
        self,
        stem: Stem,
        *,
        time_ratio: Count = 2,
        channel_ratio: Count = 1,
        kernel: Annotated[int, Field(ge=1, le=1024)] = 4,
        overrun: Literal["interpolate", "refuse"] = "interpolate",
    ) -> None:
        super().__init__(stem)
        steps, channels = stem.task.timesteps, stem.channels
        hidden, squeezed = max(1, steps // time_ratio), max(1, channels // channel_ratio)
        self.rule: Literal["interpolate", "refuse"] = overrun
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking()
        self.time = nn.Sequential(nn.Linear(steps, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, steps, bias=False))
        self.space = nn.Sequential(
            _same(channels, squeezed, kernel),
            nn.ReLU(),
            _same(squeezed, channels, kernel),
        )

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        drive = self.drive(self.normalize(images))
        spikes: Tensor = self.neuron(drive.expand(timesteps, *drive.shape))
        # u is the same at every step: its poolings, W_1 and W_2 run once for all T
        average, most = (pooled.expand(timesteps, -1) for pooled in (drive.mean((1, 2, 3)), drive.amax((1, 2, 3))))
        attention = self._over_time(average) + self._over_time(most)
        gate = torch.sigmoid(attention[:, :, None, None, None] * self.space(drive))
        assert gate.shape == spikes.shape, (gate.shape, spikes.shape)
        return gate * spikes

    def _over_time(self, profile: Tensor) -> Tensor:
        """M on a profile (T, B)."""
        steps, trained = len(profile), self.stem.task.timesteps
        if steps == trained:
            attention: Tensor = self.time(profile.T).T
            return attention
        if self.rule == "refuse":
            raise UserError(
                f"the temporal attention was trained for {trained} timesteps and cannot serve {steps}; "
                "set the encoder's 'overrun' to interpolate"
            )
        return _stretch(self.time(_stretch(profile.T, trained)), steps).T

    def overrun(self, timesteps: int) -> str:
        """What the temporal attention does at this T."""
        trained = self.stem.task.timesteps
        return "as trained" if timesteps == trained else f"attention {self.rule}d between {trained} and {timesteps}"


def _same(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size; an even kernel pads the right and the bottom more."""
    left, right = (kernel - 1) // 2, kernel // 2
    return nn.Sequential(nn.ZeroPad2d((left, right, left, right)), nn.Conv2d(inputs, outputs, kernel, bias=False))


def _stretch(profile: Tensor, steps: int) -> Tensor:
    """Linear interpolation of (B, T) to (B, steps), ends kept."""
    return F.interpolate(profile[:, None], steps, mode="linear", align_corners=True)[:, 0]
