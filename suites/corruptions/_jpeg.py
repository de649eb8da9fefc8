"""The lossy part of JPEG in tensor code, bit for bit that of libjpeg's slow integer codec (ITU-T T.81).

Entropy coding loses nothing and is left out. What is left is integer arithmetic: it is done in float64, where
products with 13-bit constants are exact.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

# Annex K of ITU-T T.81, row by row.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)

# The cosine transform of 8 samples times 2^13·√8. The slow integer transform multiplies by rounded constants along
# its flow graph; these are the products that come out, the first half of each row (even rows are symmetric, odd ones
# antisymmetric).
_COSINES = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)


def round_trip(plane: Tensor, table: Tensor) -> Tensor:
    """Transforms blocks of 8 x 8 samples, quantises, and transforms back.

    Args:
        plane: (B, H, W), float64, whole levels 0..255, H and W multiples of 8.
        table: (8, 8), float64, whole quantisation steps.

    Returns:
        The same shape, whole levels 0..255.
    """
    cosines = _cosines(plane.device)
    batch, height, width = plane.shape
    steps = table.mul(8).reshape(8, 1, 8)
    blocks = (plane - 128).reshape(-1, 8)
    rows = _descale(blocks @ cosines.T, 11).reshape(-1, 8, width)
    coefficients = _descale(cosines @ rows, 15).reshape(-1, 8, width // 8, 8)
    magnitude = coefficients.abs().add_(steps / 2).div_(steps).floor_()
    kept = magnitude.copysign_(coefficients).mul_(steps / 8).reshape(-1, 8, width)
    columns = _descale(cosines.T @ kept, 11).reshape(-1, 8)
    levels = _descale(columns @ cosines, 18).add_(128).clamp_(0, 255)
    return levels.reshape(batch, height, width)


def quantisation(quality: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The tables (8, 8), float64, for luminance and chrominance at a quality of 1..100, as libjpeg scales them."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = torch.tensor((_LUMINANCE, _CHROMINANCE), dtype=torch.float64, device=device)
    scaled = tables.mul(percent).add(50).div(100, rounding_mode="floor").clamp(1, 255)
    return scaled[0], scaled[1]


def to_ycc(images: Tensor) -> Tensor:
    """RGB to luminance and two chrominances, int32 (B, 3, H, W), in libjpeg's 16-bit fixed point."""
    red, green, blue = images.to(torch.int32).unbind(1)
    half, centre = 1 << 15, 128 << 16
    return torch.stack(
        [
            19595 * red + 38470 * green + 7471 * blue + half >> 16,
            -11059 * red - 21709 * green + 32768 * blue + centre + half - 1 >> 16,
            32768 * red - 27439 * green - 5329 * blue + centre + half - 1 >> 16,
        ],
        dim=1,
    )


def to_rgb(luminance: Tensor, chroma: Tensor) -> Tensor:
    """Back to whole RGB levels, float32 (B, 3, H, W); luminance (B, H, W) and chroma (B, 2, H, W) are int32."""
    blue, red = (chroma - 128).unbind(1)
    half = 1 << 15
    return (
        torch.stack(
            [
                luminance + (91881 * red + half >> 16),
                luminance + (-22554 * blue - 46802 * red + half >> 16),
                luminance + (116130 * blue + half >> 16),
            ],
            dim=1,
        )
        .clamp_(0, 255)
        .float()
    )


def halve(chroma: Tensor) -> Tensor:
    """Means of 2 x 2 samples, rounded down and up in alternate columns: int32 (B, 2, H, W), H and W even."""
    sums = chroma[..., 0::2, 0::2] + chroma[..., 0::2, 1::2] + chroma[..., 1::2, 0::2] + chroma[..., 1::2, 1::2]
    bias = torch.arange(sums.shape[-1], dtype=torch.int32, device=chroma.device) % 2 + 1
    return sums.add_(bias).bitwise_right_shift_(2)


def double(chroma: Tensor) -> Tensor:
    """Triangle-filtered enlargement by 2, int32 (B, 2, h, w) to (B, 2, 2h, 2w); narrow planes are just repeated."""
    if chroma.shape[-1] <= 2:
        return chroma.repeat_interleave(2, -1).repeat_interleave(2, -2)
    above, below = _neighbours(chroma, -2)
    rows = torch.stack([3 * chroma + above, 3 * chroma + below], dim=-2).flatten(-3, -2)
    left, right = _neighbours(rows, -1)
    return torch.stack([3 * rows + left + 8 >> 4, 3 * rows + right + 7 >> 4], dim=-1).flatten(-2)


def pad_edge(planes: Tensor, height: int, width: int) -> Tensor:
    """Repeats the last row and column until (..., height, width)."""
    if tuple(planes.shape[-2:]) == (height, width):
        return planes
    rows = torch.arange(height, device=planes.device).clamp_(max=planes.shape[-2] - 1)
    columns = torch.arange(width, device=planes.device).clamp_(max=planes.shape[-1] - 1)
    return planes.index_select(-2, rows).index_select(-1, columns)


def _neighbours(planes: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The samples before and after each one along an axis, those at the ends repeated."""
    length = planes.shape[axis]
    before = torch.cat([planes.narrow(axis, 0, 1), planes.narrow(axis, 0, length - 1)], axis)
    after = torch.cat([planes.narrow(axis, 1, length - 1), planes.narrow(axis, length - 1, 1)], axis)
    return before, after


def _descale(sums: Tensor, bits: int) -> Tensor:
    """Divides whole numbers by 2^bits, halves rounded up."""
    return sums.mul_(2.0**-bits).add_(0.5).floor_()


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Tensor:
    half = torch.tensor(_COSINES, dtype=torch.float64, device=device)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64, device=device).repeat(4)[:, None]
    return torch.cat([half, half.flip(1) * sign], dim=1)
