"""Blur along a line: a plain form of ImageMagick's motion blur, one direction a sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def streak(images: Tensor, angle: Tensor, radius: float, sigma: float) -> Tensor:
    """Sums copies shifted along a line, weighted by a half Gaussian.

    Copy i of 2·ceil(radius) + 1 weighs exp(-i² / 2 sigma²), all to sum 1, and is shifted by i pixels along the
    line, rounded to whole pixels with halves towards the start. The image's edge is repeated outwards.

    Args:
        images: (B, C, H, W), float32.
        angle: (B,), degrees; 0 smears to the left, 90 upwards.
        radius: reach of the blur in pixels.
        sigma: standard deviation of the half Gaussian in pixels.

    Returns:
        (B, C, H, W), float32.
    """
    channels, height, width = images.shape[1:]
    copies = torch.arange(2 * math.ceil(radius) + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (copies / sigma) ** 2)
    weights: list[float] = (kernel / kernel.sum()).tolist()
    steps = copies.to(images.device)[:, None]
    down = torch.ceil(steps * torch.sin(torch.deg2rad(angle.double())) - 0.5).long()[..., None]
    right = torch.ceil(steps * torch.cos(torch.deg2rad(angle.double())) - 0.5).long()[..., None]
    rows = (torch.arange(height, device=images.device) + down).clamp_(0, height - 1).mul_(width)
    columns = (torch.arange(width, device=images.device) + right).clamp_(0, width - 1)
    pixels = images.flatten(2)
    total = torch.zeros_like(pixels)
    for weight, row, column in zip(weights, rows, columns, strict=True):
        source = (row[:, None, :, None] + column[:, None, None, :]).flatten(2)
        total.add_(pixels.gather(2, source.expand(-1, channels, -1)).mul_(weight))
    return total.reshape(images.shape)
