"""Random numbers that depend on the sample, never on its batch.

Every sample owns a 64-bit key; a draw is a pure function of (key, position). The stream of a key is SplitMix64
(Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA), evaluated at all positions
at once in int64 tensor arithmetic. So the numbers are the same for any batch size, order, worker or device
(uniform draws to the bit; normal ones to the device's rounding of log and cos).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def key_of(*parts: object) -> int:
    """Hashes any parts (by their ``str``) into one signed 64-bit key, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


@dataclass(frozen=True)
class Share:
    """Some samples of a batch whose others are computed elsewhere.

    Attributes:
        rows: int64 (b,), their places in the whole batch, ascending.
        size: samples of the whole batch.
    """

    rows: Tensor
    size: int

    def part(self, index: int, count: int) -> Share:
        """The same of one of ``count`` equal parts of the batch, each of which has as many of the samples."""
        here, whole = len(self.rows) // count, self.size // count
        return Share(self.rows[index * here : (index + 1) * here] - index * whole, whole)


class SharedDraws:
    """Draws of a batch that several processes compute in shares: each gets what one process would give its samples.

    Args:
        seed: of the generators, one a device; 0 or more.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    @contextmanager
    def of(self, share: Share) -> Iterator[None]:
        """Lets :func:`draw` draw for a share while inside; the next share goes on in the same streams."""
        before = _shared.set((self, share))
        try:
            yield
        finally:
            _shared.reset(before)

    def generator(self, device: torch.device) -> torch.Generator:
        """The stream of a device."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]


_shared: ContextVar[tuple[SharedDraws, Share] | None] = ContextVar("shared draws", default=None)


def draw(
    make: Callable[[int, torch.Generator | None], Tensor], batch: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Random numbers of a batch, from torch's global generator; of a share, its rows of the whole batch's.

    Args:
        make: samples, and the generator (None for the global one), to a tensor with one row a sample.
        batch: samples that are here; those beyond a share (what a batch is padded with) get the numbers of its first.
        device: where the generator is.

    Raises:
        ValueError: if a share is computed, and fewer samples are drawn for.
    """
    found = _shared.get()
    if found is None:
        return make(batch, None)
    draws, share = found
    missing = batch - len(share.rows)
    if missing < 0:
        raise ValueError(f"{batch} samples are drawn for where {len(share.rows)} of {share.size} are computed")
    rows = torch.cat([share.rows, share.rows[:1].expand(missing)])
    return make(share.size, draws.generator(torch.device(device)))[rows.to(device)]


class SampleRandom:
    """One random stream a sample.

    Args:
        keys: int64 tensor (B,), one key a sample.

    Example:
        >>> random = SampleRandom.for_samples(0, "noise", sample_ids=[3, 7])
        >>> random.normal(3, 8, 8).shape
        torch.Size([2, 3, 8, 8])
        >>> bool((random.uniform(4) == random.uniform(4)).all())  # a draw is pure: fold in a label for a new one
        True
    """

    def __init__(self, keys: Tensor) -> None:
        if keys.dtype != torch.int64 or keys.ndim != 1:
            raise ValueError(f"keys must be an int64 tensor of shape (B,), got {keys.dtype} {tuple(keys.shape)}")
        self.keys = keys

    @classmethod
    def for_samples(
        cls, *seed: object, sample_ids: Sequence[int] | Tensor, device: torch.device | str = "cpu"
    ) -> SampleRandom:
        """Streams for the samples with these ids, under a seed made of any parts (numbers, strings)."""
        ids = torch.as_tensor(sample_ids, dtype=torch.int64, device=device)
        return cls(_mix(_mix(ids * _GOLDEN) ^ key_of(*seed)))

    @classmethod
    def from_torch(cls, batch: int, device: torch.device | str = "cpu") -> SampleRandom:
        """Fresh streams from torch's global CPU generator (for training, where ``torch.manual_seed`` rules)."""

        def keys(count: int, generator: torch.Generator | None) -> Tensor:
            return torch.randint(-(2**63), 2**63 - 1, (count,), dtype=torch.int64, generator=generator)

        return cls(draw(keys, batch).to(device))

    def __len__(self) -> int:
        return len(self.keys)

    def fold(self, *labels: object) -> SampleRandom:
        """Returns streams independent of these, one set for each label (an iteration, a purpose, a restart)."""
        return SampleRandom(_mix((self.keys + _GOLDEN) ^ key_of(*labels)))

    def __getitem__(self, index: Tensor | slice) -> SampleRandom:
        """The streams of some of the samples: a mask, an index tensor or a slice."""
        return SampleRandom(self.keys[index])

    def to(self, device: torch.device | str) -> SampleRandom:
        """The same streams, drawn on another device."""
        return SampleRandom(self.keys.to(device))

    def bits(self, *shape: int) -> Tensor:
        """Raw 64-bit draws, int64 (B, *shape)."""
        count = math.prod(shape)
        positions = torch.arange(1, count + 1, dtype=torch.int64, device=self.keys.device)
        return _mix_(self.keys[:, None] + positions.mul_(_GOLDEN)).reshape(len(self), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform on [0, 1), float32 (B, *shape), on a grid of 2^-24 so that 1 is never reached."""
        return _top24(self.bits(*shape)).mul_(2.0**-24)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float32 (B, *shape), by Box and Muller's transform of one 64-bit draw each."""
        bits = self.bits(*shape)
        angle = (bits & 0xFFFFFF).to(torch.float32).mul_(2.0 * math.pi * 2.0**-24).cos_()
        radius = _top24(bits).add_(0.5).mul_(2.0**-24)  # in (0, 1): its log is finite
        return radius.log_().mul_(-2.0).sqrt_().mul_(angle)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers on 0..high-1, int64 (B, *shape); the bias of the modulus is below high / 2^63."""
        return _shift(self.bits(*shape), 1) % high

    def signs(self, *shape: int) -> Tensor:
        """-1 or 1 with equal chance, float32 (B, *shape)."""
        return 1.0 - 2.0 * (_shift(self.bits(*shape), 63)).to(torch.float32)


def _shift(x: Tensor, by: int) -> Tensor:
    """Logical (zero-filling) right shift; torch's own is arithmetic."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finalizer on int64 (wrapping) arithmetic."""
    return _mix_(x.clone())


def _mix_(x: Tensor) -> Tensor:
    """The same in place: a draw is bound by memory, so every temporary saved counts."""
    scratch = torch.empty_like(x)
    for shift, factor in ((30, _MIX_1), (27, _MIX_2), (31, None)):
        torch.bitwise_right_shift(x, shift, out=scratch)
        x.bitwise_xor_(scratch.bitwise_and_((1 << (64 - shift)) - 1))
        if factor is not None:
            x.mul_(factor)
    return x


def _top24(bits: Tensor) -> Tensor:
    """The upper 24 bits as float32 (exact); the bits themselves are overwritten."""
    return bits.bitwise_right_shift_(40).bitwise_and_(0xFFFFFF).to(torch.float32)
