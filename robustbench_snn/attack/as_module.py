"""A target as other packages expect a model to be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustbench_snn.model.target import Target


class AsModule(nn.Module):
    """A module that resets itself and pads its batches; its parameters are the model's own."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.model = target.model
        self._target = target
        self.eval()  # torchattacks puts its model back into the mode it was given in

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1]."""
        logits = self.answer(images)
        if torch.is_grad_enabled() and images.requires_grad and not logits.requires_grad:
            # A model under no_grad has no graph to differentiate, and FAB would crash: its gradient is zero.
            logits = logits + 0.0 * images.flatten(1).sum(1, keepdim=True)
        return logits

    def answer(self, images: Tensor) -> Tensor:
        """What the target says of images (B, C, H, W); a stochastic one draws as it likes."""
        return self._target(images)
