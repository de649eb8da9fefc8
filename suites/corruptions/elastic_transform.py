"""Elastic transform (Hendrycks and Dietterich, 2019, arXiv:1903.12261)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_snn.corruption.contract import register_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.corruptions._linear import smooth, snap


@register_corruption(
    "elastic_transform",
    version=1,
    group="digital",
    stochastic=True,
    cifar=(
        (0.0, 0.0, 2.56, 32),
        (1.6, 6.4, 2.24, 32),
        (2.56, 1.92, 1.92, 32),
        (3.2, 1.28, 1.6, 32),
        (3.2, 0.96, 0.96, 32),
    ),
    imagenet=(
        (488.0, 170.8, 24.4, 224),
        (488.0, 19.52, 48.8, 224),
        (12.2, 2.44, 4.88, 224),
        (17.08, 2.44, 4.88, 224),
        (29.28, 2.44, 4.88, 224),
    ),
)
def elastic_transform(
    images: Tensor, random: SampleRandom, alpha: float, sigma: float, affine: float, side: int
) -> Tensor:
    """Moves three points of the image at random, then all pixels by a smooth random field.

    All lengths are in pixels of an image whose shorter side is ``side``, and are scaled to the image's.

    Args:
        images: (B, C, H, W), whole grey levels.
        random: one stream a sample.
        alpha: amplitude of the field, which is uniform noise in [-1, 1], smoothed, times alpha.
        sigma: standard deviation of the Gaussian that smooths the field.
        affine: largest displacement of a point along each axis.
        side: shorter side, in pixels, of the images that the other lengths are given for.
    """
    height, width = images.shape[-2:]
    scale = min(height, width) / side
    rows = torch.arange(height, dtype=torch.float64, device=images.device)[:, None].expand(-1, width)
    columns = torch.arange(width, dtype=torch.float64, device=images.device).expand(height, -1)
    matrix = inverse_affine(random.fold("affine"), height, width, affine * scale)
    grid = torch.stack([columns, rows, torch.ones_like(rows)])
    moved = torch.einsum("bij,jhw->bihw", matrix, grid)
    warped = sample(images, moved[:, 0], moved[:, 1], mirror="sample")
    if alpha == 0:
        return warped
    noise = random.fold("field").uniform(2, height, width) * 2 - 1
    field = snap(smooth(noise, sigma * scale, border="mirror", truncate=3.0)) * (alpha * scale)
    return sample(warped, columns + field[:, 0], rows + field[:, 1], mirror="edge")


def inverse_affine(random: SampleRandom, height: int, width: int, reach: float) -> Tensor:
    """Affine maps from three randomly displaced points back to their places.

    The points are three corners of a square around the image's middle whose side is two thirds of the image's shorter
    side.

    Args:
        random: one stream a sample.
        height: of the image, in pixels.
        width: of the image, in pixels.
        reach: largest displacement along each axis, in pixels.

    Returns:
        (B, 2, 3), float64, acting on (column, row, 1).
    """
    middle = torch.tensor([width // 2, height // 2], dtype=torch.float64, device=random.keys.device)
    arm = min(height, width) // 3
    corners = torch.tensor([[1, 1], [1, -1], [-1, -1]], dtype=torch.float64, device=middle.device)
    points = middle + arm * corners
    moved = points + (random.uniform(3, 2).double() * 2 - 1) * reach
    first, second = (moved[:, 1] - moved[:, 0]).unbind(1), (moved[:, 2] - moved[:, 0]).unbind(1)
    determinant = first[0] * second[1] - first[1] * second[0]
    determinant = torch.where(determinant.abs() < 1e-6, torch.full_like(determinant, 1e-6), determinant)
    inverse = torch.stack([second[1], -second[0], -first[1], first[0]], dim=1).reshape(-1, 2, 2)
    spans = torch.stack([points[1] - points[0], points[2] - points[0]], dim=1)
    linear = spans @ (inverse / determinant[:, None, None])
    shift = points[0] - (linear * moved[:, 0][:, None]).sum(2)
    return torch.cat([linear, shift[..., None]], dim=2)


def sample(images: Tensor, columns: Tensor, rows: Tensor, *, mirror: str) -> Tensor:
    """Bilinear interpolation at given positions; outside, the image is reflected.

    Args:
        images: (B, C, H, W).
        columns: (B, H, W), in pixels.
        rows: (B, H, W), in pixels.
        mirror: ``sample`` reflects about the last samples (c b | a b c), ``edge`` about their outer edges
            (c b a | a b c).

    Returns:
        (B, C, H, W).
    """
    height, width = images.shape[-2:]
    about_sample = mirror == "sample"
    if about_sample:
        grid = torch.stack([columns * (2 / max(1, width - 1)), rows * (2 / max(1, height - 1))], dim=-1) - 1
    else:
        grid = torch.stack([(2 * columns + 1) / width, (2 * rows + 1) / height], dim=-1) - 1
    return F.grid_sample(
        images, grid.to(images.dtype), mode="bilinear", padding_mode="reflection", align_corners=about_sample
    )
