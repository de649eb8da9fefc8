"""Forward passes whose numbers do not depend on how the samples were batched."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.randomness import SampleRandom

ALIGNMENT = 8
"""Batches are padded to a multiple of this. The kernels of oneDNN and MKL take other paths, and other orders of
summation, for some small or odd batch sizes; between multiples of 4 no difference was seen on any layer."""


def pad_batch(images: Tensor, random: SampleRandom | None = None) -> tuple[Tensor, SampleRandom | None]:
    """Repeats the first sample until the batch is a multiple of :data:`ALIGNMENT`."""
    missing = -len(images) % ALIGNMENT
    if not missing:
        return images, random
    padded = torch.cat([images, images[:1].expand(missing, *images.shape[1:])])
    if random is not None:
        random = SampleRandom(torch.cat([random.keys, random.keys[:1].expand(missing)]))
    return padded, random
