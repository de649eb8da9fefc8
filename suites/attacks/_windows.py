"""The shapes that Square moves through an image (Andriushchenko et al., 2020, arXiv:1912.00049)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_snn.attack.ball import norms_of_samples
from robustbench_snn.randomness import SampleRandom


@dataclass(frozen=True)
class Window:
    """A square of each sample's own size and place.

    Attributes:
        side: int64 (B, 1, 1, 1).
        row: int64, each image row counted from the square's top, (B, 1, H, 1) or, once turned, (B, 1, H, W).
        column: int64, each image column counted from its left edge, (B, 1, 1, W) or (B, 1, H, W).
    """

    side: Tensor
    row: Tensor
    column: Tensor

    @classmethod
    def draw(cls, random: SampleRandom, height: int, width: int, side: Tensor) -> Window:
        """At a random place of each image; ``side`` int64 (B,), at most its height and width."""
        side = side.reshape(-1, 1, 1, 1)
        top = (random.fold("top").uniform(1, 1, 1) * (height - side + 1)).long()
        left = (random.fold("left").uniform(1, 1, 1) * (width - side + 1)).long()
        row = torch.arange(height, device=side.device).reshape(1, 1, -1, 1)
        column = torch.arange(width, device=side.device).reshape(1, 1, 1, -1)
        return cls(side, row - top, column - left)

    @property
    def inside(self) -> Tensor:
        """Where it lies, bool (B, 1, H, W)."""
        rows = (self.row >= 0) & (self.row < self.side)
        return rows & (self.column >= 0) & (self.column < self.side)

    def turned(self, turn: Tensor) -> Window:
        """Rows and columns exchanged where ``turn``, bool (B, 1, 1, 1), says so."""
        row, column = torch.broadcast_tensors(self.row, self.column)
        return Window(self.side, torch.where(turn, column, row), torch.where(turn, row, column))


def bumps(window: Window) -> Tensor:
    r"""Two bumps of opposite sign, one in each half of a window, of norm 1 together, (B, 1, H, W).

    A bump over a rectangle whose longer side is s falls off from its centre in square rings,

    .. math:: \eta_d = \sum_{j=d}^{\lfloor s/2 \rfloor} \frac{1}{(j + 1)^2}

    at the distance of d rings, and is scaled to norm 1 (arXiv:1912.00049, section 3.3).
    """
    half = window.side // 2
    upper = window.row < half
    height = torch.where(upper, half, window.side - half)
    row = torch.where(upper, window.row, window.row - half)
    ring = torch.maximum((row - height // 2).abs(), (window.column - half).abs())
    reach = max(window.row.shape[2], window.column.shape[3]) // 2 + 2
    terms = torch.arange(1, reach + 1, device=ring.device, dtype=torch.float32).square().reciprocal()
    sums = torch.cat([terms.new_zeros(1), terms.cumsum(0)])
    inside = window.inside
    value = torch.where(inside, sums[half + 1] - sums[ring.clamp_max(reach)], 0.0)
    above, below = torch.where(upper, value, 0.0), torch.where(upper, 0.0, value)
    both = above / norms_of_samples(above).clamp_min(1e-12) - below / norms_of_samples(below).clamp_min(1e-12)
    return both / norms_of_samples(both).clamp_min(1e-12)


def shifted(delta: Tensor, pattern: Tensor, into: Tensor, out_of: Tensor, eps: float) -> Tensor:
    """Moves a perturbation's L2 budget from one window into another (arXiv:1912.00049, algorithm 3).

    Args:
        delta: (B, C, H, W), of norm at most eps.
        pattern: (B, C, H, W), what is added, of norm 1 in each channel and zero outside ``into``.
        into: bool (B, 1, H, W).
        out_of: bool (B, 1, H, W), zero afterwards but where the windows overlap.
        eps: the ball's radius; the result has this norm.
    """
    unused = (eps**2 - norms_of_samples(delta).square()).clamp_min(0.0) / delta.shape[1]
    available = (_norms_of_channels(delta * (into | out_of)).square() + unused).sqrt()
    old = delta * into
    mixed = pattern + old / _norms_of_channels(old).clamp_min(1e-12)
    moved = mixed / _norms_of_channels(mixed).clamp_min(1e-12) * available
    return torch.where(into, moved, torch.where(out_of, 0.0, delta))


def _norms_of_channels(values: Tensor) -> Tensor:
    """Euclidean norm of each channel of (B, C, H, W), shaped (B, C, 1, 1)."""
    return norms_of_samples(values.flatten(0, 1)).reshape(*values.shape[:2], 1, 1)
