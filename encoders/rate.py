"""Rate coding: independent coin tosses whose chance of a spike is the pixel (Poisson or Bernoulli coding)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from robustbench_snn.model.coding_gradients import coded_with_backward
from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder


@register_encoder("rate", version=1, stochastic=True, causal=True, gradient="straight-through", spiking=True)
class Rate(FrameEncoder):
    r"""Draws a spike for every pixel and step with the pixel's value as probability.

    .. math:: s_t \sim \mathrm{Bernoulli}(x), \quad \partial s_t / \partial x := 1

    The frames are binary: the pixels must not be normalised before. The straight-through backward (Bengio et al.,
    2013, arXiv:1308.3432) is the derivative of the expected frame, which is x.

    Args:
        backward: ``straight-through``, or ``none``: the true derivative, zero, to show gradient masking.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, backward: Literal["straight-through", "none"] = "straight-through") -> None:
        super().__init__(stem)
        self.backward: Literal["straight-through", "none"] = backward
        self.declare(gradient=backward)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Binary frames (T, B, C, H, W)."""
        chances = self.random(images).uniform(timesteps, *images.shape[1:]).transpose(0, 1)
        return coded_with_backward(chances < images, images, self.backward)
