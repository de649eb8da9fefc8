"""Sigma-delta coding: a deterministic rate code that carries its rounding error over."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.model.coding_gradients import coded_with_backward
from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder


@register_encoder("sigma_delta", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class SigmaDelta(FrameEncoder):
    r"""Fires whenever the sum of what was seen exceeds what was told by a whole threshold.

    .. math:: e_t = e_{t-1} + x - \theta s_{t-1}, \quad s_t = [e_t \ge \theta], \quad e_{-1} = s_{-1} = 0

    An integrate-and-fire neuron with soft reset: :math:`|x - \theta\,\overline{s}| < \theta / T` for
    :math:`x \le \theta`; brighter pixels saturate.

    Args:
        threshold: :math:`\theta`, in units of the pixel range.
        backward: ``surrogate`` (through the steps, with the surrogate of the backbone's neurons),
            ``straight-through`` or ``none``.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W) in {0, 1}
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(
        self,
        stem: Stem,
        *,
        threshold: Annotated[float, Field(gt=0.0)] = 1.0,
        backward: Literal["surrogate", "straight-through", "none"] = "surrogate",
    ) -> None:
        super().__init__(stem)
        self.threshold = threshold
        self.backward: Literal["surrogate", "straight-through", "none"] = backward
        self.fire = stem.spiking_only("sigma_delta").surrogate_function
        self.declare(gradient=backward)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Binary frames (T, B, C, H, W)."""
        if self.backward == "surrogate":
            return self.code(images, timesteps)
        with torch.no_grad():
            coded = self.code(images, timesteps)
        return coded_with_backward(coded, images, self.backward)

    def code(self, pixels: Tensor, timesteps: int) -> Tensor:
        """The spikes of the error accumulator."""
        error = torch.zeros_like(pixels)
        frames: list[Tensor] = []
        for _ in range(timesteps):
            error = error + pixels
            frames.append(self.fire(error - self.threshold))
            error = error - self.threshold * frames[-1]
        return torch.stack(frames)
