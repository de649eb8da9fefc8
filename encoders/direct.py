"""Direct coding: the image itself drives the first layer at every step (Rueckauer et al., 2017; arXiv:2209.15425)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.model.encoder import Encoder, Stem, register_encoder


@register_encoder("direct", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class Direct(Encoder):
    r"""Shows the same image at every step and lets the first spiking layer code it.

    .. math:: S_t = \mathrm{LIF}(\mathrm{BN}(W x))

    The baseline of Spikformer (Zhou et al., 2023, arXiv:2209.15425) and its successors. The image stands still, so
    convolution and batch norm run once for all T.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem) -> None:
        super().__init__(stem)
        self.drive = stem.conv_bn()
        self.neuron = stem.spiking()

    def forward(self, images: Tensor, timesteps: int) -> Tensor:
        drive = self.drive(self.normalize(images))
        spikes: Tensor = self.neuron(drive.expand(timesteps, *drive.shape))
        return spikes
