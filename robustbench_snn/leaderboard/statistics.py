"""Intervals of shares, paired tests over samples, and corrections for several comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Shares = NDArray[Any]
Counts = NDArray[np.int64] | np.int64
DRAWS = 10_000
"""Of a bootstrap, and of a permutation test."""

Correction = Literal["holm", "benjamini-hochberg"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its length."""
        return (self.high - self.low) / 2


def wilson(share: float, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson, 1927, J. Am. Stat. Assoc. 22:209).

    Args:
        share: observed proportion in [0, 1].
        count: number of independent samples, at least 1.
        confidence: coverage, e.g. 0.95.
    """
    if count < 1:
        raise ValueError("an interval needs at least one sample")
    return score_interval(share, count, _normal_quantile(confidence))


@lru_cache
def _normal_quantile(confidence: float) -> float:
    return float(stats.norm.ppf(0.5 + confidence / 2))


def score_interval(share: float, count: float, z: float) -> Interval:
    """Wilson's score interval for any quantile ``z`` and a number of samples that need not be whole.

    Args:
        share: observed proportion in [0, 1].
        count: number of independent samples, or their effective number; above 0.
        z: two-sided quantile, 1.96 for 95 % by the normal distribution.
    """
    shrink = 1 + z * z / count
    center = (share + z * z / (2 * count)) / shrink
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / shrink
    return Interval(max(0.0, center - spread), min(1.0, center + spread))


def mcnemar(model: Shares, baseline: Shares) -> float:
    """Two-sided exact McNemar test (McNemar, 1947) on paired 0/1 outcomes, (N,) each; the p-value."""
    wins = int(np.sum((model == 1) & (baseline == 0)))
    losses = int(np.sum((model == 0) & (baseline == 1)))
    return _exact(min(wins, losses), max(wins, losses))


@lru_cache(maxsize=1 << 15)
def _exact(fewer: int, more: int) -> float:
    return float(exact_sign_test(np.int64(fewer), np.int64(more)))


def exact_sign_test(wins: Counts, losses: Counts) -> NDArray[np.float64]:
    """Two-sided p-values of ``wins`` in ``wins + losses`` fair draws; 1 where there are none. Any shape."""
    total, fewer = np.add(wins, losses), np.minimum(wins, losses)
    below, above = stats.binom.cdf(fewer, total, 0.5), stats.binom.sf(total - fewer - 1, total, 0.5)
    return np.where(np.equal(wins, losses), 1.0, np.minimum(below + above, 1.0))


def paired_bootstrap(
    model: Shares, baseline: Shares, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Percentile interval of the mean paired difference; samples are drawn, so their pairing is kept.

    Args:
        model: outcome of each sample in [0, 1], (N,).
        baseline: likewise, same samples in the same order.
        confidence: coverage.
        draws: bootstrap resamples.
        seed: of the resampling.
    """
    difference = model.astype(np.float64) - baseline.astype(np.float64)
    values, counts = np.unique(difference, return_counts=True)
    return _resampled(values.tobytes(), counts.tobytes(), confidence, draws, seed)


@lru_cache(maxsize=1 << 15)  # many pairs of models of a table differ alike, and a table is assessed more than once
def _resampled(values: bytes, counts: bytes, confidence: float, draws: int, seed: int) -> Interval:
    """The bootstrap of differences of these values (float64), each there so many times (int64)."""
    # resampling N values with replacement = a multinomial over the few distinct ones: exact, and fast for any N
    times = np.frombuffer(counts, dtype=np.int64)
    weights = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=draws)
    means = weights @ np.frombuffer(values, dtype=np.float64) / times.sum()
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def sign_flip(model: Shares, baseline: Shares, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided permutation test that paired differences are symmetric about zero; the p-value."""
    difference = model.astype(np.float64) - baseline.astype(np.float64)
    sizes, counts = np.unique(np.abs(difference), return_counts=True)
    return _flipped(sizes.tobytes(), counts.tobytes(), abs(float(difference.sum())), draws, seed)


@lru_cache(maxsize=1 << 15)
def _flipped(sizes: bytes, counts: bytes, observed: float, draws: int, seed: int) -> float:
    """The test of differences of these sizes (float64), each there so many times (int64)."""
    generator = np.random.default_rng(seed)
    times = zip(np.frombuffer(sizes, dtype=np.float64), np.frombuffer(counts, dtype=np.int64), strict=True)
    flipped = sum(size * (2 * generator.binomial(count, 0.5, draws) - count) for size, count in times)
    return float((1 + np.sum(np.abs(flipped) >= observed - 1e-9)) / (1 + draws))


def adjust(p_values: Sequence[float], correction: Correction) -> list[float]:
    """p-values corrected for their number.

    Args:
        p_values: of all comparisons shown, in [0, 1]; corrected anew whenever that set changes.
        correction: ``holm`` (family-wise error; Holm, 1979, Scand. J. Stat. 6:65) or ``benjamini-hochberg`` (false
            discovery rate; Benjamini and Hochberg, 1995, J. R. Stat. Soc. B 57:289).
    """
    if not p_values:
        return []
    ranked = np.asarray(p_values, dtype=np.float64)
    found = stats.false_discovery_control(ranked) if correction == "benjamini-hochberg" else holm(ranked)
    return [float(value) for value in found]


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values (N,) corrected by Holm's method, as :func:`adjust` does."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1)), 1.0)
    return adjusted
