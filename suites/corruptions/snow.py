"""Snow (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import fixed_point, map_separably, snap
from robustbench_snn.suites.corruptions._luminance import luminance
from robustbench_snn.suites.corruptions._streak import streak
from robustbench_snn.suites.corruptions._zoom import zoom_matrix


@register_corruption(
    "snow",
    version=1,
    group="weather",
    stochastic=True,
    cifar=(
        (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
    ),
    imagenet=(
        (0.1, 0.3, 3.0, 0.5, 10, 4.0, 0.8),
        (0.2, 0.3, 2.0, 0.5, 12, 4.0, 0.7),
        (0.55, 0.3, 4.0, 0.9, 12, 8.0, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8.0, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12.0, 0.55),
    ),
)
def snow(
    images: Tensor,
    random: SampleRandom,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    mix: float,
) -> Tensor:
    """Whitens the image and adds streaks of snowflakes, once as they are and once rotated by 180 degrees.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        mean: mean of the noise that flakes are cut from, with white at 1.
        deviation: standard deviation of that noise, likewise.
        zoom: size of a flake in pixels; the noise is enlarged by this factor.
        threshold: noise below this level becomes no flake, with white at 1.
        radius: length of a flake's streak in pixels.
        sigma: standard deviation in pixels of the half Gaussian along which a streak fades.
        mix: weight of the original image against the whitened one, in [0, 1].
    """
    height, width = images.shape[-2:]
    noise = random.fold("flakes").normal(1, height, width) * deviation + mean
    if zoom > 1:
        noise = snap(map_separably(noise, *_zoom(height, width, zoom, images.device))).float()
    flakes = noise.mul(255).floor_().clamp_(0, 255).masked_fill_(noise < threshold, 0.0)
    angle = random.fold("angle").uniform() * 90 - 135
    flakes = streak(flakes, angle, radius, sigma).round_()
    whitened = torch.maximum(images, luminance(images) * 1.5 + 127.5)
    return images * mix + whitened * (1 - mix) + flakes + flakes.flip(-1, -2)


@lru_cache(maxsize=16)
def _zoom(height: int, width: int, factor: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """The zoom's matrices for rows (height, height) and columns (width, width), float64."""
    rows, columns = (torch.from_numpy(fixed_point(zoom_matrix(size, factor))).to(device) for size in (height, width))
    return rows, columns
