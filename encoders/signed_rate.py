"""Signed rate coding: coin tosses whose spikes carry the sign of the centred pixel."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from robustbench_snn.model.coding_gradients import coded_with_backward
from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder


@register_encoder("signed_rate", version=1, stochastic=True, causal=True, gradient="straight-through", spiking=True)
class SignedRate(FrameEncoder):
    r"""Draws a spike with the distance from mid-grey as probability, and gives it the sign of that distance.

    .. math:: y = 2x - 1, \quad s_t = \mathrm{sign}(y)\, b_t, \quad b_t \sim \mathrm{Bernoulli}(|y|)

    The code is defined on [-1, 1]; that pixels of [0, 1] are centred by 2x - 1 is this project's reading. The
    straight-through backward, ds/dy = 1, is the derivative of the expected frame, which is y.

    Args:
        backward: ``straight-through``, or ``none``: the true derivative, zero, to show gradient masking.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W) in {-1, 0, 1}
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, backward: Literal["straight-through", "none"] = "straight-through") -> None:
        super().__init__(stem)
        self.backward: Literal["straight-through", "none"] = backward
        self.declare(gradient=backward)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Frames (T, B, C, H, W) in {-1, 0, 1}."""
        centred = 2.0 * images - 1.0
        chances = self.random(images).uniform(timesteps, *images.shape[1:]).transpose(0, 1)
        return coded_with_backward(centred.sign() * (chances < centred.abs()), centred, self.backward)
