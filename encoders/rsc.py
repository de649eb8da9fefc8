"""Randomized smoothing coding: fresh Gaussian noise on the image at every step (arXiv:2407.20099)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder


@register_encoder("rsc", version=1, stochastic=True, causal=True, gradient="surrogate", spiking=True)
class RSC(FrameEncoder):
    r"""Adds independent Gaussian noise to the image at each step.

    .. math:: \text{frame}_t = x + \sigma \epsilon_t, \quad \epsilon_t \sim \mathcal{N}(0, I)

    The formula and its place, on raw pixels before normalisation, are this project's reading of the paper
    (arXiv:2407.20099); sigma is not published there, and the default is this project's choice.

    Args:
        sigma: standard deviation of the noise, in units of the pixel range.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W), real, not clipped
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, sigma: Annotated[float, Field(gt=0.0)] = 0.1) -> None:
        super().__init__(stem)
        self.sigma = sigma

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Noisy frames (T, B, C, H, W), normalised."""
        noise = self.random(images).normal(timesteps, *images.shape[1:]).transpose(0, 1)
        return self.normalize(images + self.sigma * noise.to(images.dtype))
