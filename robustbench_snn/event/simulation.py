"""Events simulated from still images, N-MNIST's way: the image moves, and pixels report how their brightness changes.

Orchard et al. (2015, arXiv:1507.07629) move a real camera before the images of MNIST in three straight saccades along
a closed path. Here the image moves, and pixels follow the usual model of an event camera (as in ESIM, Rebecq et al.,
CoRL 2018): nothing of this is recorded, and whatever is made of it is called simulated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.event.stream import Events

SACCADES = 3
PATH = ((0.0, 0.0), (0.5, 1.0), (1.0, 0.0), (0.0, 0.0))
"""Corners (right, down) of the path in units of the amplitude: an isosceles triangle, this project's choice."""
DARK = 0.02
"""Added to the brightness before the logarithm: L = ln(I + 0.02)."""
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness (ITU-R BT.601)."""
GRID = 2.0**20
"""Changes are judged on a grid of 2^-20 thresholds, so that no event depends on the last bit of a logarithm."""


@dataclass(frozen=True)
class Saccades:
    """How an image moves, and what its pixels report.

    Args:
        amplitude: width and height of the path in pixels, above 0.
        threshold: C, the change of L = ln(I + 0.02) that makes an event, above 0.
        steps: moments of time at which pixels are looked at after the first; a multiple of 3.
        refractory: microseconds after an event in which its pixel reports none.
        duration: microseconds that the three saccades take together, each a third.

    Raises:
        UserError: if the steps cannot be shared by three saccades, or a value is out of its range.
    """

    amplitude: PositiveFloat = 2.0
    threshold: PositiveFloat = 0.2
    steps: Annotated[int, Field(ge=SACCADES, multiple_of=SACCADES)] = 30
    refractory: NonNegativeInt = 0
    duration: PositiveInt = 300_000

    def __post_init__(self) -> None:
        if self.steps < SACCADES or self.steps % SACCADES:
            raise UserError(f"three saccades of equal time need a multiple of 3 steps, not {self.steps}")
        if not (self.amplitude > 0.0 and self.threshold > 0.0 and self.refractory >= 0 and self.duration >= self.steps):
            raise UserError(f"amplitude and threshold must be above 0, and a step at least a microsecond: {self}")

    def times(self) -> Tensor:
        """Microseconds since the start of each step, int64 (S,)."""
        return torch.arange(1, self.steps + 1) * self.duration // self.steps

    def path(self) -> list[tuple[float, float]]:
        """How far the image has moved right and down after each step, S places, the last (0, 0)."""
        each = self.steps // SACCADES
        legs = pairwise(PATH)
        places = [
            tuple(self.amplitude * (a + (b - a) * step / each) for a, b in zip(start, stop, strict=True))
            for start, stop in legs
            for step in range(1, each + 1)
        ]
        return [(right, down) for right, down in places]

    def words(self) -> str:
        """All that the events depend on besides the images, for a fingerprint."""
        corners = " ".join(f"{right:g},{down:g}" for right, down in PATH)
        return (
            f"simulated events 1: path {corners} x {self.amplitude:g} px, ln(I + {DARK:g}), C {self.threshold:g}, "
            f"{self.steps} steps in {self.duration} us, refractory {self.refractory} us, border held"
        )


def moved(images: Tensor, right: float, down: float) -> Tensor:
    """Images (..., H, W) moved by a fraction of pixels, bilinear; what enters is the border's pixel, held.

    Places of equal brightness stay exactly as they are.
    """
    for axis, shift in ((-1, right), (-2, down)):
        size, whole = images.shape[axis], math.floor(shift)
        index = torch.arange(size, device=images.device) - whole
        near = images.index_select(axis, index.clamp(0, size - 1))
        far = images.index_select(axis, (index - 1).clamp(0, size - 1))
        images = near + (shift - whole) * (far - near)
    return images


def changes(images: Tensor, saccades: Saccades) -> Iterator[Tensor]:
    """Events of each step, by polarity and pixel.

    Every crossing of the threshold moves the pixel's reference by C, whether its event is dropped as too soon or not. A
    change by C exactly is none yet: else all pixels would report at once when the image is back where it began.

    Args:
        images: (B, C, H, W) in [0, 1]; of three channels the brightness is their weighted sum.
        saccades: the movement and the pixels.

    Yields:
        int32 (B, 2, H, W) for each step, ON before OFF.
    """
    grey = images.to(torch.float64)
    if images.shape[1] == len(GREY):
        grey = (grey * grey.new_tensor(GREY).reshape(-1, 1, 1)).sum(1, keepdim=True)
    base = (grey[:, 0] + DARK).log()
    reference = torch.zeros_like(base)  # in whole thresholds from where L began: no rounding adds up
    rested = torch.full_like(base, -math.inf)  # when each pixel last reported
    for time, (right, down) in zip(saccades.times().tolist(), saccades.path(), strict=True):
        away = ((moved(grey[:, 0], right, down) + DARK).log() - base) / saccades.threshold - reference
        size = (away.abs() * GRID).round() / GRID
        count = (size.ceil() - 1.0).clamp(min=0.0)
        reference = reference + count * away.sign()
        if saccades.refractory:
            count = torch.minimum(count, (time - rested >= saccades.refractory).to(count.dtype))
            rested = torch.where(count > 0, time, rested)
        yield torch.stack([torch.where(away > 0, count, 0.0), torch.where(away < 0, count, 0.0)], 1).to(torch.int32)


def simulated(images: Tensor, saccades: Saccades) -> list[Events]:
    """A simulated recording of each image.

    Events of one step are of one time; among them the order is ON before OFF, then by row and column.

    Args:
        images: (B, C, H, W) in [0, 1].
        saccades: the movement and the pixels.
    """
    found = torch.stack(list(changes(images, saccades)), 1)  # (B, S, 2, H, W)
    times = saccades.times()
    recordings = []
    for counts in found:
        step, polarity, row, column = counts.nonzero(as_tuple=True)
        many = counts[step, polarity, row, column]
        step, polarity, row, column = (part.repeat_interleave(many) for part in (step, polarity, row, column))
        recordings.append(
            Events(
                times[step], column.to(torch.int16), row.to(torch.int16), polarity.to(torch.int8), *counts.shape[-2:]
            )
        )
    return recordings
