"""Spatter (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._canny import canny, neighbour_views
from robustbench_snn.suites.corruptions._chamfer import ONE, chamfer_distance
from robustbench_snn.suites.corruptions._linear import smooth, snap
from robustbench_snn.suites.corruptions._luminance import LUMINANCE

_WATER = (175.0, 238.0, 238.0)  # pale turquoise
_MUD = (63.0, 42.0, 20.0)
_REACH = 20  # pixels: distances to the rim of a drop are cut here
_LIGHT = (((-1, -1), -2), ((-1, 0), -1), ((0, -1), -1), ((0, 0), 1), ((0, 1), 1), ((1, 0), 1), ((1, 1), 2))


@register_corruption(
    "spatter",
    version=1,
    group="weather",
    stochastic=True,
    cifar=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1.0, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    imagenet=(
        (0.65, 0.3, 4.0, 0.69, 0.6, 0),
        (0.65, 0.3, 3.0, 0.68, 0.6, 0),
        (0.65, 0.3, 2.0, 0.68, 0.5, 0),
        (0.65, 0.3, 1.0, 0.65, 1.5, 1),
        (0.67, 0.4, 1.0, 0.65, 1.5, 1),
    ),
)
def spatter(
    images: Tensor,
    random: SampleRandom,
    mean: float,
    deviation: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: int,
) -> Tensor:
    """Covers parts of the image with drops of water or mud, as on the lens of a camera.

    Args:
        images: (B, C, H, W), whole grey levels; on one channel the drops have their colour's luminance.
        random: one stream a sample.
        mean: mean of the noise that drops are cut from; its values are the depth of the liquid.
        deviation: standard deviation of that noise.
        sigma: standard deviation in pixels of the Gaussian that smooths the noise.
        threshold: depth below which there is no drop.
        strength: for water, the factor on the drops' colour at the brightest spot; for mud, the standard deviation in
            pixels of the Gaussian that smooths the rim.
        mud: 1 for mud, 0 for water.
    """
    height, width = images.shape[-2:]
    depth = snap(smooth(random.normal(height, width) * deviation + mean, sigma))
    if mud:
        cover = snap(smooth((depth > threshold).double(), strength)).float()[:, None]
        cover = cover.masked_fill_(cover < 0.8, 0.0)
        return images * (1 - cover) + cover * _colour(_MUD, images)
    liquid = depth.mul(255).floor_().clamp_(0, 255).masked_fill_(depth < threshold, 0).to(torch.int32)
    shine = (liquid * light_on_drops(liquid)).float()
    brightest = shine.amax((1, 2), keepdim=True).clamp_(min=1)
    return images + (shine * (strength / brightest))[:, None] * _colour(_WATER, images)


def light_on_drops(liquid: Tensor) -> Tensor:
    """Brightness of each pixel of the drops.

    The distance to the drops' rims is clipped, averaged over 3 x 3 pixels and equalised to a relief, which is lit from
    one corner and averaged again.

    Args:
        liquid: int32 (B, H, W), depth 0..255.

    Returns:
        int32 (B, H, W), 0..255.
    """
    distance = chamfer_distance(canny(liquid, 50, 150)).clamp(max=_REACH * ONE)
    height = equalise(_box_sum(distance) // (9 * ONE))
    near = neighbour_views(height, "mirror")
    lit = torch.zeros_like(height)
    for offset, weight in _LIGHT:
        lit += near[offset] * weight
    return (_box_sum(lit.clamp_(0, 255)) * 2 + 9) // 18


def equalise(levels: Tensor) -> Tensor:
    """Histogram equalisation of int32 (B, H, W) with few, small levels; images of one level stay."""
    flat = levels.flatten(1).long()
    bins = _REACH + 1
    histogram = torch.zeros(len(flat), bins, dtype=torch.int64, device=flat.device)
    histogram.scatter_add_(1, flat, torch.ones_like(flat))
    lowest = flat.amin(1, keepdim=True)
    first = histogram.gather(1, lowest)
    total = flat.shape[1]
    table = ((histogram.cumsum(1) - first) * 255 / (total - first).clamp(min=1)).round_().clamp_(0, 255).long()
    table = torch.where(first == total, torch.arange(bins, device=flat.device), table)
    return table.gather(1, flat).reshape(levels.shape).to(torch.int32)


def _box_sum(levels: Tensor) -> Tensor:
    """Sums over 3 x 3 pixels, int32 (B, H, W)."""
    total = torch.zeros_like(levels)
    for view in neighbour_views(levels, "mirror").values():
        total += view
    return total


def _colour(rgb: tuple[float, float, float], images: Tensor) -> Tensor:
    """The colour as levels (1, C, 1, 1)."""
    levels = rgb if images.shape[1] > 1 else (sum(c * w for c, w in zip(rgb, LUMINANCE, strict=True)),)
    return torch.tensor(levels, device=images.device).reshape(1, -1, 1, 1)
