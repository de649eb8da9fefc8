"""Which of the four stem stages halve the image, and what that leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from robustbench_snn.backbones.layers import PoolOrder
from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import IMAGENET_SIDE, Task

Form = Literal["auto", "cifar", "imagenet"]
"""Whose published code to follow where an author's CIFAR and ImageNet models differ."""

STAGES = 4


def is_imagenet(form: Form, task: Task) -> bool:
    """Whether to follow the authors' ImageNet code; ``auto`` does for images of 64 pixels a side or more."""
    return form == "imagenet" or (form == "auto" and min(task.height, task.width) >= IMAGENET_SIDE)


def pooled_stages(pooling: str, task: Task) -> tuple[bool, ...]:
    """Reads a pooling like ``0011`` (SDT's notation, arXiv:2307.01694): one digit a stage, 1 halves the image.

    ``auto`` pools the last n stages, n = round(log2(side / 8)) between 1 and 4 for the shorter side of the image,
    but never below 4 tokens a side: 8 px gives 0001 (4x4 tokens), 28 and 32 px the published 0011 (8x8 at 32), 64 px
    0111, from 96 px on 1111 (14x14 at 224).

    Raises:
        UserError: if it is neither ``auto`` nor four digits 0 and 1, or leaves no pixel to halve.
    """
    side = min(task.height, task.width)
    if pooling == "auto":
        halvings = min(STAGES, max(1, round(math.log2(side / 8)))) if side >= 8 else 0
        return tuple(stage >= STAGES - halvings for stage in range(STAGES))
    if len(pooling) != STAGES or set(pooling) - {"0", "1"}:
        raise UserError(
            f"pooling takes 'auto' or one digit 0 or 1 for each of the 4 stem stages ('0011'), not {pooling!r}"
        )
    if side < 2 ** pooling.count("1"):
        raise UserError(f"pooling {pooling!r} halves an image of {side} pixels more often than it can; take fewer 1s")
    return tuple(digit == "1" for digit in pooling)


def grid_after(task: Task, pooled: tuple[bool, ...]) -> tuple[int, int]:
    """Rows and columns of tokens that the pooled stages leave."""
    height, width = task.height, task.width
    for _ in range(sum(pooled)):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


def first_stage(task: Task, channels: int, neuron: NeuronConfig, pooled: bool, order: PoolOrder) -> Stem:
    """The stem's first stage, which the encoder builds.

    A pool before the neurons belongs to the encoder; a pool after them is the backbone's first act.
    """
    return Stem(task, channels=channels, neuron=neuron, pool=pooled and order == "before")


def require_divisible(width: int, divisors: Mapping[str, int]) -> None:
    """Checks that a width can be split as the model needs.

    Raises:
        UserError: naming the first divisor that does not fit, and the nearest widths that do.
    """
    step = math.lcm(*divisors.values())
    for name, divisor in divisors.items():
        if width % divisor:
            below = width // step * step
            near = " or ".join(str(value) for value in (below, below + step) if value)
            raise UserError(f"width {width} is not divisible by {divisor} ({name}); take {near}")
