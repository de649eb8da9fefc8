"""JPEG compression (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions import _jpeg as jpeg


@register_corruption(
    "jpeg_compression",
    version=1,
    group="digital",
    stochastic=False,
    cifar=((80,), (65,), (58,), (50,), (40,)),
    imagenet=((25,), (18,), (15,), (10,), (7,)),
)
def jpeg_compression(images: Tensor, random: SampleRandom, quality: int) -> Tensor:
    """Compresses as Pillow does by default: slow integer transform, chrominance at half size.

    Args:
        images: (B, C, H, W), whole grey levels; one channel is compressed as luminance.
        random: not used.
        quality: 1 to 100.
    """
    height, width = images.shape[-2:]
    luminance_table, chroma_table = jpeg.quantisation(quality, images.device)
    planes = images if images.shape[1] == 1 else jpeg.to_ycc(images)
    luminance = _compress(planes[:, :1], luminance_table)
    if images.shape[1] == 1:
        return luminance
    even = jpeg.pad_edge(planes[:, 1:], height + height % 2, width + width % 2)
    whole = jpeg.pad_edge(even, even.shape[-2], _multiple(width, 16))
    chroma = _compress(jpeg.halve(whole), chroma_table)[..., : even.shape[-1] // 2]
    enlarged = jpeg.double(chroma.to(torch.int32))[..., :height, :width]
    return jpeg.to_rgb(luminance[:, 0].to(torch.int32), enlarged)


def _compress(planes: Tensor, table: Tensor) -> Tensor:
    """Round trip of planes of any size, the last row and column repeated to whole blocks."""
    height, width = planes.shape[-2:]
    padded = jpeg.pad_edge(planes, _multiple(height, 8), _multiple(width, 8))
    kept = jpeg.round_trip(padded.flatten(0, 1).double(), table)
    return kept.reshape(padded.shape)[..., :height, :width]


def _multiple(size: int, of: int) -> int:
    return -(-size // of) * of
