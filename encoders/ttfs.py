"""Time-to-first-spike (latency) coding: the brighter the pixel, the earlier its only spike."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.model.coding_gradients import Backward
from robustbench_snn.model.encoder import PixelCoding, Stem, register_encoder


@register_encoder(
    "ttfs",
    version=1,
    stochastic=False,
    causal=False,
    gradient="bpda",
    spiking=True,
    presets={"ttfs_log": {"curve": "log"}},
)
class TTFS(PixelCoding):
    r"""Fires each pixel exactly once, at a step that falls with its value.

    .. math::
        s_t = [t = \mathrm{round}(t_f)], \quad
        \text{linear: } t_f = (T-1)(1-x), \quad
        \text{log: } t_f = (T-1) - \ln(\alpha x + 1),\ \alpha = e^{T-1} - 1

    As in SpikingJelly's ``LatencyEncoder``. The spike times stretch with T, so a shorter run is no prefix of a longer
    one; with T = 1 every pixel fires at step 0 and the image is lost.

    Args:
        curve: ``linear`` or ``log``.
        backward: ``bpda``, ``straight-through`` or ``none``; rounding and one-hot have no derivative.
        width: half-width of BPDA's blur in units of the pixel range.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W) in {0, 1}, one spike a pixel
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        curve: Literal["linear", "log"] = "linear",
        backward: Backward = "bpda",
        width: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25,
    ) -> None:
        super().__init__(stem, backward, width)
        self.curve: Literal["linear", "log"] = curve

    def code(self, pixels: Tensor, timesteps: int) -> Tensor:
        """One-hot frames over the steps."""
        last = timesteps - 1.0
        linear, log = last * (1.0 - pixels), last - torch.log(math.expm1(last) * pixels + 1.0)
        times = linear if self.curve == "linear" else log
        steps = torch.arange(timesteps, device=pixels.device).reshape(-1, 1, 1, 1, 1)
        return times.round().clamp(0.0, last) == steps

    def overrun(self, timesteps: int) -> str:
        """Spike times stretch with T."""
        trained = self.stem.task.timesteps
        return "as trained" if timesteps == trained else f"spike times rescaled from {trained} to {timesteps} steps"
