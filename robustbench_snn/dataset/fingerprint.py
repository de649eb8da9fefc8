"""What identifies a dataset's content (fingerprint) and what encoders normalise by (mean, standard deviation)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.dataset.splits import balanced_order

STATISTICS_SAMPLES = 10_000
"""Statistics of sets that must be decoded first are taken over this many images of the balanced order."""


def fingerprint(*parts: Tensor | bytes | str) -> str:
    """sha256 of tensors (type, shape, bytes), bytes and strings in order, each with its length in front."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            data = part.contiguous().numpy().tobytes()
        else:
            data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def fingerprint_items(labels: Tensor, items: Iterable[bytes | str]) -> str:
    """sha256 of labels and one item a sample: the encoded image, or what names a file."""
    digest = hashlib.sha256(fingerprint(labels).encode())
    for item in items:
        data = item.encode() if isinstance(item, str) else item
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def channel_statistics(samples: Samples) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel on [0, 1], in float64 over :data:`STATISTICS_SAMPLES` images.

    A channel that never varies gets the standard deviation 1, so that dividing by it is harmless.
    """
    count, total, squares = 0, torch.zeros(1), torch.zeros(1)
    for chunk in balanced_order(samples)[:STATISTICS_SAMPLES].sort().values.split(500):
        images = samples.images(chunk).to(torch.float64)
        count += images.numel() // images.shape[1]
        total = total + images.sum((0, 2, 3))
        squares = squares + images.square().sum((0, 2, 3))
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0.0).sqrt()
    return mean.tolist(), torch.where(std < 1e-4, torch.ones_like(std), std).tolist()


def path_id(path: str) -> int:
    """Sample id of an image file: 63 bits of the sha256 of its path below the root, ``val/n01440764/x.JPEG``."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") >> 1
