"""Corrupts images in batches, each sample by random numbers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robustbench_snn.corruption.contract import SEVERITIES, Corruption
from robustbench_snn.errors import UserError
from robustbench_snn.model.padding import ALIGNMENT, pad_batch
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import Component, corruptions
from robustbench_snn.registry.traits import CorruptionTraits

Parameters: TypeAlias = Literal["auto", "cifar", "imagenet"]
Images = TypeVar("Images", Tensor, npt.NDArray[Any])

CIFAR_UP_TO = 48
"""Images whose longer side is at most this get CIFAR-10-C's parameters (made for 32), larger ones ImageNet-C's
(made for 224). Between 32 and 64 neither set was published; 48 splits the gap in the middle."""

_VALUES_PER_BLOCK = {"cpu": 2**18, "cuda": 2**25}
_SNAP = 2.0**13  # results are rounded to multiples of 1 / _SNAP grey levels before they are truncated


def corrupt(
    images: Images,
    name: str,
    severity: int,
    seed: int = 0,
    *,
    sample_ids: Sequence[int] | Tensor | None = None,
    parameters: Parameters = "auto",
) -> Images:
    """Corrupts images, deterministically for each sample and seed whatever the batch size or order.

    The work goes on in blocks on the images' device. The originals take 8-bit images and the published files are
    8-bit, so float images are rounded to 8 bits first, and results are clipped and truncated to 8 bits.

    Args:
        images: uint8 (N, H, W, C), or float (N, C, H, W) in [0, 1]; a numpy array or a tensor, C of 1 or 3.
        name: a corruption's name.
        severity: 1 to 5.
        seed: with the name, the severity and the sample's id, the key of the sample's random numbers.
        sample_ids: N stable ids; 0..N-1 if None.
        parameters: ``cifar`` or ``imagenet``; ``auto`` chooses by the longer side, see :data:`CIFAR_UP_TO`.
            Lengths in pixels do not grow with the image, except those of elastic_transform.

    Returns:
        Corrupted images of the same kind, shape, dtype and device.

    Raises:
        UserError: for an unknown name, a severity out of range, or images of another form.
    """
    if isinstance(images, np.ndarray):
        corrupted = corrupt(
            torch.from_numpy(np.ascontiguousarray(images)),
            name,
            severity,
            seed,
            sample_ids=sample_ids,
            parameters=parameters,
        )
        array: npt.NDArray[Any] = corrupted.numpy()
        return array
    component = corruptions.get(name)
    channels_first = _channels_first(images)
    row = severity_row(component, severity, resolve_parameters(parameters, channels_first.shape[-2:]))
    count = len(images)
    ids = torch.as_tensor(range(count) if sample_ids is None else sample_ids, dtype=torch.int64)
    if ids.shape != (count,):
        raise UserError(f"{count} images need {count} sample_ids, got a shape of {tuple(ids.shape)}")
    random = SampleRandom.for_samples("corruption", seed, name, severity, sample_ids=ids, device=images.device)
    result = torch.empty_like(images, memory_format=torch.contiguous_format)
    target = _channels_first(result)
    step = block_length(images)
    for start in range(0, count, step):
        block = slice(start, start + step)
        target[block] = _corrupt_block(channels_first[block], component.implementation, random[block], row)
    return result


def resolve_parameters(parameters: Parameters, size: Sequence[int]) -> Literal["cifar", "imagenet"]:
    """Which published parameter table images of this (height, width) get.

    Raises:
        UserError: if ``parameters`` is none of the three choices.
    """
    if parameters == "auto":
        return "cifar" if max(size) <= CIFAR_UP_TO else "imagenet"
    if parameters not in ("cifar", "imagenet"):
        raise UserError(f"unknown corruption parameters '{parameters}'; choose auto, cifar or imagenet")
    return parameters


def severity_row(
    component: Component[Corruption, CorruptionTraits], severity: int, parameters: Literal["cifar", "imagenet"]
) -> tuple[float, ...]:
    """The row of a corruption's parameter table for one severity.

    Raises:
        UserError: if the severity is not 1 to 5.
    """
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise UserError(f"severity must be a whole number from 1 to 5, got {severity!r}")
    traits = component.declaration.traits
    return tuple((traits.cifar if parameters == "cifar" else traits.imagenet)[severity - 1])


def block_length(images: Tensor) -> int:
    """How many images are corrupted at once: a multiple of the batch alignment that keeps a block in the cache."""
    values = max(1, images[:1].numel()) if len(images) else 1
    budget = _VALUES_PER_BLOCK.get(images.device.type, _VALUES_PER_BLOCK["cpu"])
    return max(ALIGNMENT, budget // values // ALIGNMENT * ALIGNMENT)


def _corrupt_block(images: Tensor, function: Corruption, random: SampleRandom, row: tuple[float, ...]) -> Tensor:
    """Images (B, C, H, W), uint8 or float, to the same kind."""
    count, kind = len(images), images.dtype
    padded, streams = pad_batch(_as_levels(images), random)
    assert streams is not None
    levels = function(padded, streams, *row)
    assert levels.shape == padded.shape, (levels.shape, padded.shape)
    # Sums that are whole but for rounding (a flat area, blurred) must not fall to the level below.
    levels = levels[:count].mul(_SNAP).round_().mul_(1 / _SNAP).clamp_(0, 255).floor_()
    return levels.to(kind) if kind == torch.uint8 else levels.to(kind).div_(255)


def _channels_first(images: Tensor) -> Tensor:
    """A view (N, C, H, W) of images of either kind, their form checked."""
    whole = images.dtype == torch.uint8
    if images.ndim != 4 or not (whole or images.is_floating_point()):
        raise UserError(
            "images must be uint8 (N, H, W, C) or float (N, C, H, W) in [0, 1], "
            f"got {images.dtype} of shape {tuple(images.shape)}"
        )
    view = images.permute(0, 3, 1, 2) if whole else images
    if view.shape[1] not in (1, 3):
        form = "(N, H, W, C)" if whole else "(N, C, H, W)"
        raise UserError(f"corruptions need 1 or 3 channels; {form} of {tuple(images.shape)} has {view.shape[1]}")
    return view


def _as_levels(images: Tensor) -> Tensor:
    """Whole grey levels 0..255 as contiguous float32."""
    if images.dtype == torch.uint8:
        return images.to(torch.float32, memory_format=torch.contiguous_format)
    low, high = torch.aminmax(images)
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise UserError(f"float images must lie in [0, 1], got values from {float(low):g} to {float(high):g}")
    return images.to(torch.float32, memory_format=torch.contiguous_format).mul(255).round_()
