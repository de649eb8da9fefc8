"""Template title coding: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.plugins import FrameEncoder, Stem, register_encoder


@register_encoder("template_name", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class TemplateName(FrameEncoder):
    r"""One line for listings: shows the image at a contrast that falls from step to step.

    .. math:: \text{frame}_t = x\, d^t

    Args:
        decay: :math:`d`, in (0, 1]; at 1 this is direct coding.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W)
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8) -> None:
        super().__init__(stem)
        self.decay = decay

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """The image at falling contrast. A code that rounds or compares: see robustbench_snn.model.coding_gradients."""
        steps = torch.arange(timesteps, device=images.device, dtype=images.dtype)
        return self.normalize(images) * (self.decay**steps).reshape(-1, 1, 1, 1, 1)
