"""Frequency encoding of FEEL-SNN: ever lower frequencies of the image as time goes on (Xu et al., NeurIPS 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder

PUBLISHED = tuple(1.0 - t / 8 for t in range(8))
"""Half-widths 16, 14, ..., 2 of 32x32 images as shares of 16; those published for T = 4 are the first four."""


@register_encoder("fe", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class FE(FrameEncoder):
    r"""Cuts the image's spectrum to a centred square that shrinks from step to step.

    .. math:: \text{frame}_t = |\mathcal{F}^{-1}(\mathrm{ifftshift}(M_t \odot \mathrm{fftshift}(\mathcal{F} x)))|

    :math:`M_t` keeps the frequencies whose shifted index i satisfies c - r <= i < c + r in both directions, with c
    the index of frequency 0 and r the half-width. The authors give r for 32x32 images: 16, 14, ..., 2 at T = 8 and
    the first four of these at T = 4. Other sizes take the same shares of their own half-size, and steps beyond the
    list keep its last share; both are this project's choice. Frames are normalised after the filter.

    Args:
        shares: half-width at each step as a share of half the image's height and width, in (0, 1]; empty for the
            published ones.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W), real
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, shares: tuple[float, ...] = ()) -> None:
        super().__init__(stem)
        self.shares = check_shares(shares or PUBLISHED)

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """Low-pass frames (T, B, C, H, W), normalised."""
        return self.normalize(frequency_frames(images, timesteps, self.shares))

    def overrun(self, timesteps: int) -> str:
        """Beyond the list of half-widths the last one holds."""
        return describe_shares(self.shares, timesteps, self.stem.task.timesteps)


def check_shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Returns the shares.

    Raises:
        UserError: if one is not in (0, 1].
    """
    if not all(0.0 < share <= 1.0 for share in shares):
        raise UserError(f"shares must be in (0, 1], each the half-width of a step's band: {list(shares)}")
    return shares


def describe_shares(shares: tuple[float, ...], timesteps: int, trained: int) -> str:
    """One phrase for the record: which half-widths a run of this T uses."""
    if timesteps == trained:
        return "as trained"
    return f"first {timesteps} half-widths" if timesteps <= len(shares) else f"hold beyond {len(shares)} half-widths"


def frequency_frames(images: Tensor, timesteps: int, shares: tuple[float, ...]) -> Tensor:
    """Images (B, C, H, W) cut to a shrinking band of frequencies, (T, B, C, H, W), float32 or wider."""
    pixels = images if images.dtype == torch.float64 else images.float()
    spectrum = torch.fft.fftshift(torch.fft.fft2(pixels), dim=(-2, -1))
    held = [shares[min(t, len(shares) - 1)] for t in range(timesteps)]
    kept = torch.stack([_band(images, share) for share in held])
    frames: Tensor = torch.fft.ifft2(torch.fft.ifftshift(kept[:, None, None] * spectrum, dim=(-2, -1))).abs()
    return frames.to(images.dtype)


def _band(images: Tensor, share: float) -> Tensor:
    """The mask of one step, bool (H, W), on the shifted spectrum."""
    rows, columns = (_inside(size, share).to(images.device) for size in images.shape[-2:])
    return rows[:, None] & columns[None, :]


def _inside(size: int, share: float) -> Tensor:
    index, centre, half = torch.arange(size), size // 2, share * size / 2
    return (index >= centre - half) & (index < centre + half)
