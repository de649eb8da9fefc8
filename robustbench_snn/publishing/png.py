"""Images side by side, as a small PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
"""Smaller images are drawn with whole pixels of their own, to about this width; larger ones are halved to twice it."""

BLUE = (11, 90, 138)
"""Between images, where grey could be taken for a part of them."""


def png(rows: Sequence[NDArray[np.floating[Any]]], gap: int = 0) -> bytes:
    """Rows of images (N, C, H, W) of one shape in [0, 1], C of 1 or 3, with so many blue columns between two."""
    side = rows[0].shape[3]
    rows = [np.pad(images, ((0, 0), (0, 0), (0, 0), (0, gap))) for images in rows]
    pixels = np.clip(np.concatenate([np.concatenate(list(images), axis=2) for images in rows], axis=1), 0, 1)
    pixels = pixels.transpose(1, 2, 0)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    levels = (255 * pixels[:, :, :3]).round().astype(np.uint8)
    for column in range(side, side + gap):
        levels[:, column :: side + gap] = BLUE
    image = Image.fromarray(levels[:, : levels.shape[1] - gap])
    scale = max(1, SIDE // side)
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    if (smaller := side // (2 * SIDE)) > 1:
        image = image.reduce(smaller)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
