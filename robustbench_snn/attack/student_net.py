"""The network of a student: small, smooth, and without anything that hides a gradient."""

from __future__ import annotations

import math

from torch import Tensor, nn


class StudentNet(nn.Module):
    """Three convolutions or more, until no side is above 8, and two linear layers; SiLU and group norm between.

    Args:
        channels: of the images.
        height: of the images, pixels.
        width: of the images, pixels.
        classes: K.

    Shape:
        - images: (B, C, H, W), float, in [0, 1]
        - returns: logits (B, K)
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        layers, inputs, side = _block(channels, 32, 1), 32, (height, width)
        for _ in range(max(math.ceil(math.log2(max(side) / 8.0)), 1)):
            layers += _block(inputs, 64, 2)
            inputs, side = 64, ((side[0] + 1) // 2, (side[1] + 1) // 2)
        layers += [nn.Flatten(), nn.Linear(64 * side[0] * side[1], 128), nn.SiLU(), nn.Linear(128, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K)."""
        logits: Tensor = self.layers(4.0 * images - 2.0)
        return logits


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(4, outputs), nn.SiLU()]
