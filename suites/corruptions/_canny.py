"""Canny's edge detector in batches of 8-bit images (Canny 1986, IEEE TPAMI 8(6)), with OpenCV's conventions."""

from __future__ import annotations

import torch
from torch import Tensor

_TANGENT = 13573  # tan(22.5 degrees) in 15-bit fixed point


def neighbour_views(images: Tensor, border: str) -> dict[tuple[int, int], Tensor]:
    """The nine shifts of (B, H, W) by one pixel, keyed by (row, column) offset.

    Args:
        images: any dtype.
        border: ``edge`` repeats the last sample, ``mirror`` reflects about it, ``zero`` takes 0.
    """
    height, width = images.shape[-2:]
    if border == "zero":
        padded = torch.zeros(len(images), height + 2, width + 2, dtype=images.dtype, device=images.device)
        padded[:, 1:-1, 1:-1] = images
    else:
        rows, columns = (_padded_index(size, border, images.device) for size in (height, width))
        padded = images.index_select(-2, rows).index_select(-1, columns)
    return {
        (row, column): padded[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]
        for row in (-1, 0, 1)
        for column in (-1, 0, 1)
    }


def canny(images: Tensor, low: int, high: int) -> Tensor:
    """Edges, bool (B, H, W).

    Gradients are Sobel's with the edge repeated, and their magnitude the sum of the absolute values.

    Args:
        images: int32 (B, H, W), levels 0..255.
        low: magnitude above which a ridge continues an edge.
        high: magnitude above which a ridge starts an edge.
    """
    near = neighbour_views(images, "edge")
    across = sum(w * (near[row, 1] - near[row, -1]) for row, w in ((-1, 1), (0, 2), (1, 1)))
    down = sum(w * (near[1, column] - near[-1, column]) for column, w in ((-1, 1), (0, 2), (1, 1)))
    assert isinstance(across, Tensor)
    assert isinstance(down, Tensor)
    size = across.abs() + down.abs()
    ridge = _ridge(across, down, size) & (size > low)
    edges = ridge & (size > high)
    while True:
        grown = torch.stack(list(neighbour_views(edges, "zero").values())).any(0) & ridge
        if bool((grown == edges).all()):
            return edges
        edges = grown


def _ridge(across: Tensor, down: Tensor, size: Tensor) -> Tensor:
    """Where the magnitude is largest along the gradient, rounded to four directions."""
    near = neighbour_views(size, "zero")
    flat = across.abs() * _TANGENT
    steep = flat + (across.abs() << 16)
    height = down.abs() << 15
    horizontal = (size > near[0, -1]) & (size >= near[0, 1])
    vertical = (size > near[-1, 0]) & (size >= near[1, 0])
    falling = (size > near[-1, -1]) & (size > near[1, 1])
    rising = (size > near[-1, 1]) & (size > near[1, -1])
    diagonal = torch.where((across ^ down) < 0, rising, falling)
    return torch.where(height < flat, horizontal, torch.where(height > steep, vertical, diagonal))


def _padded_index(size: int, border: str, device: torch.device) -> Tensor:
    """The samples (size + 2,) that one more sample at either end repeats or reflects, see :func:`neighbour_views`."""
    inner = torch.arange(-1, size + 1, device=device)
    if border == "mirror" and size > 1:
        inner = inner.abs()
        return torch.where(inner >= size, 2 * size - 2 - inner, inner)
    return inner.clamp_(0, size - 1)
