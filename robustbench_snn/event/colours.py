"""Event frames as colour images: ON is red, OFF is blue, nothing is white."""

from __future__ import annotations

import torch
from torch import Tensor


def coloured(counts: Tensor, most: float) -> Tensor:
    """Counts (..., 2, H, W) as colours (..., 3, H, W), float32: ON takes green and blue away, OFF red and green.

    Args:
        counts: events by polarity and pixel, ON before OFF.
        most: the count of full colour.
    """
    on, off = (counts.to(torch.float32) / max(most, 1.0)).clamp(0.0, 1.0).unbind(-3)
    return torch.stack([1.0 - off, (1.0 - on) * (1.0 - off), 1.0 - on], -3)


def attacked(clean: Tensor, adversarial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Recordings before and after an attack, and what it changed, each added up over its frames, as colours.

    Args:
        clean: event frames (N, F, 2, H, W), N of 1 or more.
        adversarial: the same shape.

    Returns:
        Three of (N, 3, H, W): the first two on one scale, the last, added and removed events alike, on its own.
    """
    before, after, changed = clean.sum(-4), adversarial.sum(-4), (adversarial - clean).abs().sum(-4)
    most = max((float(counts.max()) for counts in (before, after) if counts.numel()), default=1.0)
    return (
        coloured(before, most),
        coloured(after, most),
        coloured(changed, float(changed.max()) if len(changed) else 1.0),
    )
