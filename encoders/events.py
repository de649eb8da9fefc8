"""Event frames straight into the first layer, a frame a step."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.model.encoder import Encoder, Stem, register_encoder


@register_encoder(
    "events", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True, takes="events"
)
class Events(Encoder):
    r"""Shows the t-th frame of a recording at step t; the counterpart of direct coding for event data.

    .. math:: S_t = \mathrm{LIF}(\mathrm{BN}(W x_t))

    A run of fewer steps than frames sees the first of them.

    Shape:
        - images: event frames (B, F, C, H, W), non-negative counts
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking()

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        spikes: Tensor = self.neuron(self.driven(self.normalize(images), timesteps))
        return spikes
