"""Plasma fractals by the diamond-square algorithm (Fournier, Fussell, Carpenter 1982, CACM 25(6))."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.randomness import SampleRandom


def plasma(random: SampleRandom, size: int, decay: float) -> Tensor:
    """Height maps (B, size, size) in [0, 1], float32, that wrap around at the edges.

    As in the original generator, a step displaces heights by its amplitude *squared* times a uniform draw in [-1, 1);
    the amplitude starts at 100 and is divided by ``decay`` a step.

    Args:
        random: one stream a sample.
        size: a power of two, at least 2.
        decay: divisor of the amplitude from step to step; larger values are smoother.
    """
    heights = torch.zeros(len(random), size, size, device=random.keys.device)
    step, amplitude = size, 100.0
    while step >= 2:
        half = step // 2
        displacement = (random.fold(step).uniform(3, size // step, size // step) * 2 - 1).mul_(amplitude**2)
        corners = heights[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        centres = (pairs + pairs.roll(-1, 2)).div_(4).add_(displacement[:, 0])
        heights[:, half::step, half::step] = centres
        upper = centres + centres.roll(1, 1) + corners + corners.roll(-1, 2)
        left = centres + centres.roll(1, 2) + corners + corners.roll(-1, 1)
        heights[:, ::step, half::step] = upper.div_(4).add_(displacement[:, 1])
        heights[:, half::step, ::step] = left.div_(4).add_(displacement[:, 2])
        step, amplitude = half, amplitude / decay
    heights -= heights.amin((1, 2), keepdim=True)
    return heights.div_(heights.amax((1, 2), keepdim=True).clamp_(min=1e-30))
