"""Chamfer distance transform in batches (Borgefors 1986, CVGIP 34), with OpenCV's 5 x 5 mask for L2."""

from __future__ import annotations

import torch
from torch import Tensor

ONE = 1 << 16  # fixed point
_DIAGONAL = round(1.4 * ONE)
_KNIGHT = round(2.1969 * ONE)
_FAR = 1 << 29


def chamfer_distance(marked: Tensor) -> Tensor:
    """Distance from each pixel to the nearest marked one, int32 (B, H, W) in units of 1 / :data:`ONE` pixels.

    Args:
        marked: bool (B, H, W); an image without marks is far (2^13 pixels) everywhere.
    """
    rows = torch.where(marked, 0, _FAR).to(torch.int32).transpose(0, 1).contiguous()
    swept = _sweep(rows).flip(0, 2)
    return _sweep(swept).flip(0, 2).transpose(0, 1)


def _sweep(distance: Tensor) -> Tensor:
    """One pass from the top left, (H, B, W): each row from the two above it, then along itself."""
    height, batch, width = distance.shape
    ramp = torch.arange(width, dtype=torch.int32, device=distance.device) * ONE
    padded = torch.full((height + 2, batch, width + 4), _FAR, dtype=torch.int32, device=distance.device)
    padded[2:, :, 2:-2] = distance

    def shifted(row: int, by: int) -> Tensor:
        return padded[row, :, 2 + by : 2 + by + width]

    for row in range(2, height + 2):
        nearest = torch.minimum(shifted(row, 0), shifted(row - 1, 0) + ONE)
        for by in (-1, 1):
            nearest = torch.minimum(nearest, shifted(row - 1, by) + _DIAGONAL)
            nearest = torch.minimum(nearest, shifted(row - 1, 2 * by) + _KNIGHT)
            nearest = torch.minimum(nearest, shifted(row - 2, by) + _KNIGHT)
        padded[row, :, 2:-2] = (nearest - ramp).cummin(-1).values + ramp
    return padded[2:, :, 2:-2]
