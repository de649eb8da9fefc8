"""Burst coding: brighter pixels fire more spikes, closer together."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.model.coding_gradients import Backward
from robustbench_snn.model.encoder import PixelCoding, Stem, register_encoder
from robustbench_snn.parameters import Count


@register_encoder("burst", version=1, stochastic=False, causal=False, gradient="bpda", spiking=True)
class Burst(PixelCoding):
    r"""Starts a burst at step 0 whose length and pace tell the pixel's value.

    .. math::
        N = \lceil N_{max}\, x \rceil, \quad
        I = \lceil T_{max} - (T_{max} - T_{min})\, x \rceil \text{ if } N > 1 \text{ else } T_{max}, \quad
        s_t = [t = kI,\ 0 \le k < N], \quad T_{max} = T

    That the first spike falls on step 0 is this project's reading; spikes past T are lost, so at T = 4 no pixel has
    more than two. The interval depends on T: a shorter run is no prefix of a longer one.

    Args:
        spikes: :math:`N_{max}`.
        interval: :math:`T_{min}`, in steps; no interval is longer than T.
        backward: ``bpda``, ``straight-through`` or ``none``; rounding has no derivative.
        width: half-width of BPDA's blur in units of the pixel range.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W) in {0, 1}
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        spikes: Count = 5,
        interval: Count = 2,
        backward: Backward = "bpda",
        width: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25,
    ) -> None:
        super().__init__(stem, backward, width)
        self.spikes = spikes
        self.interval = interval

    def code(self, pixels: Tensor, timesteps: int) -> Tensor:
        """Binary frames."""
        longest, shortest = float(timesteps), float(min(self.interval, timesteps))
        count = torch.ceil(self.spikes * pixels)
        pace = torch.ceil(longest - (longest - shortest) * pixels)
        pace = torch.where(count > 1, pace, torch.full_like(pace, longest))
        steps = torch.arange(timesteps, device=pixels.device).reshape(-1, 1, 1, 1, 1)
        return (steps % pace == 0) & (steps < count * pace)

    def overrun(self, timesteps: int) -> str:
        """Intervals stretch with T."""
        trained = self.stem.task.timesteps
        return "as trained" if timesteps == trained else f"intervals rescaled from {trained} to {timesteps} steps"
