"""Temporal-spatial position embeddings (TSPE) of STF (Zheng et al., 2025, arXiv:2508.00387)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError

Overrun = Literal["hold", "interpolate", "refuse"]


class PositionEmbedding(nn.Module):
    """A trainable map for every timestep and place.

    Args:
        table: initial values, float32 (T, ...).
        overrun: what a step beyond the table gets: ``hold`` its last map, ``interpolate`` the table stretched
            linearly over the steps asked for (then even the earlier maps move, and prefixes no longer agree),
            ``refuse`` an error.
    """

    def __init__(self, table: Tensor, overrun: Overrun = "hold") -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())
        self.rule: Overrun = overrun

    def forward(self, timesteps: int) -> Tensor:
        """The maps of ``timesteps`` steps, (timesteps, ...).

        Raises:
            UserError: if there are more steps than maps and the rule is ``refuse``.
        """
        trained = len(self.table)
        if timesteps <= trained:
            return self.table[:timesteps]
        match self.rule:
            case "hold":
                return torch.cat([self.table, self.table[-1:].expand(timesteps - trained, *self.table.shape[1:])])
            case "interpolate":
                places = torch.linspace(0, trained - 1, timesteps, device=self.table.device)
                low = places.floor().long()
                high = (low + 1).clamp(max=trained - 1)
                share = (places - low).reshape(-1, *[1] * (self.table.ndim - 1))
                return self.table[low] * (1 - share) + self.table[high] * share
            case "refuse":
                raise UserError(
                    f"the position embedding was trained for {trained} timesteps and cannot serve {timesteps}; "
                    "ask for no more, or set the encoder's 'overrun' to hold or interpolate"
                )

    def describe(self, timesteps: int) -> str:
        """One phrase for the record: what the embedding did at this T."""
        trained = len(self.table)
        if timesteps == trained:
            return "as trained"
        return f"first {timesteps} of {trained} maps" if timesteps < trained else f"{self.rule} beyond {trained}"


def sincos_position_embedding(timesteps: int, channels: int, height: int, width: int) -> Tensor:
    """The feature form's initial values: sines and cosines of time, column and row (arXiv:2508.00387).

    A quarter of the channels holds the step, three eighths the column, three eighths the row; each part is
    sin(p w_i) for all i, then cos(p w_i), with w_i = 10000^(-i / (d/2)) and the raw index p.

    Returns:
        float32 (T, C_e, H, W), computed in float64.

    Raises:
        UserError: if ``channels`` cannot be divided so (it must be a multiple of 16).
    """
    if channels % 16:
        raise UserError(
            f"the position embedding divides channels by 4 and 3/8, each into sines and cosines: "
            f"{channels} encoder channels are not a multiple of 16; choose another width or embed: none"
        )

    def part(size: int, dimensions: int) -> Tensor:
        half = dimensions // 2
        exponents = torch.arange(half, dtype=torch.float64) / half
        angles = torch.arange(size, dtype=torch.float64)[:, None] * torch.pow(10000.0, -exponents)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    quarter, rest = channels // 4, 3 * channels // 8
    table = torch.empty(timesteps, channels, height, width, dtype=torch.float64)
    table[:, :quarter] = part(timesteps, quarter)[:, :, None, None]
    table[:, quarter : quarter + rest] = part(width, rest).T[None, :, None, :]
    table[:, quarter + rest :] = part(height, rest).T[None, :, :, None]
    return table.to(torch.float32)


def image_position_embedding(timesteps: int, channels: int, height: int, width: int) -> Tensor:
    """The image form's initial values: one table over pixels plus one over steps (arXiv:2508.00387).

    table[p, j] = sin(a) for even j and cos(a) for odd j, a = p / 10000^(2 floor(j/2) / C), with p = y W + x
    over pixels and p = t over steps.

    Returns:
        float32 (T, C, H, W), computed in float64.
    """

    def part(size: int) -> Tensor:
        channel = torch.arange(channels)
        power = 2.0 * (channel // 2).to(torch.float64) / channels
        angles = torch.arange(size, dtype=torch.float64)[:, None] / torch.pow(10000.0, power)
        return torch.where(channel % 2 == 0, angles.sin(), angles.cos())

    space = part(height * width).T.reshape(1, channels, height, width)
    time = part(timesteps).reshape(timesteps, channels, 1, 1)
    return (space + time).to(torch.float32)
