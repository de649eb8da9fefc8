"""Grey from colour, by the weights of ITU-R BT.601."""

from __future__ import annotations

from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the luminance."""


def luminance(images: Tensor) -> Tensor:
    """The luminance of images (B, C, H, W) as (B, 1, H, W); a single channel is returned as it is."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, dim=1)
    grey: Tensor = red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]
    return grey
