"""Contrast coding: positive and negative of the image take turns."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.plugins import FrameEncoder, register_encoder


@register_encoder("contrast", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class Contrast(FrameEncoder):
    r"""Shows the image at even steps and its negative at odd ones.

    .. math:: \text{frame}_t = (-1)^t x
    """

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Frames (T, B, C, H, W)."""
        signs = 1 - 2 * (torch.arange(timesteps, device=images.device) % 2)
        return signs.reshape(-1, 1, 1, 1, 1) * self.normalize(images)
