"""Weighted phase coding: the pixel's binary digits, one a step (Kim et al., 2018, Neurocomputing 311)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.model.coding_gradients import Backward
from robustbench_snn.model.encoder import PixelCoding, Stem, register_encoder


@register_encoder("phase", version=1, stochastic=False, causal=True, gradient="bpda", spiking=True)
class Phase(PixelCoding):
    r"""Shows bit t+1 of the pixel at step t, with the bit's weight as the spike's amplitude.

    .. math::
        w_t = 2^{-(t+1)}, \quad s_t = [r_t \ge w_t], \quad r_{t+1} = r_t - w_t s_t, \quad r_0 = x, \quad
        \text{frame}_t = w_t s_t

    The frames sum to x within :math:`2^{-T}`. A frame does not depend on T: more steps only add finer bits. (The
    period is as long as the run; the code does not start again.)

    Args:
        backward: ``bpda``, ``straight-through`` or ``none``; comparisons have no derivative.
        width: half-width of BPDA's blur in units of the pixel range.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W), each 0 or :math:`2^{-(t+1)}`
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        backward: Backward = "bpda",
        width: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25,
    ) -> None:
        super().__init__(stem, backward, width)

    def code(self, pixels: Tensor, timesteps: int) -> Tensor:
        """Weighted bits, most significant first."""
        frames: list[Tensor] = []
        rest = pixels
        for t in range(timesteps):
            weight = 2.0 ** -(t + 1)
            frames.append(weight * (rest >= weight))
            rest = rest - frames[-1]
        return torch.stack(frames)
