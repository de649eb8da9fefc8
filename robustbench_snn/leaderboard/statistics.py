"""Intervals of shares, paired tests over samples, and corrections for several comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Shares = NDArray[Any]
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
    return score_interval(share, count, float(stats.norm.ppf(0.5 + confidence / 2)))


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
    if wins + losses == 0:
        return 1.0
    return float(stats.binomtest(wins, wins + losses, 0.5).pvalue)


def paired_bootstrap(
    model: Shares, baseline: Shares, *, confidence: float = 0.95, draws: int = 10_000, seed: int = 0
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
    # resampling N values with replacement = a multinomial over the few distinct ones: exact, and fast for any N
    weights = np.random.default_rng(seed).multinomial(len(difference), counts / len(difference), size=draws)
    means = weights @ values / len(difference)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def sign_flip(model: Shares, baseline: Shares, *, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided permutation test that paired differences are symmetric about zero; the p-value."""
    difference = model.astype(np.float64) - baseline.astype(np.float64)
    sizes, counts = np.unique(np.abs(difference), return_counts=True)
    generator = np.random.default_rng(seed)
    flipped = sum(
        size * (2 * generator.binomial(count, 0.5, draws) - count) for size, count in zip(sizes, counts, strict=True)
    )
    observed = abs(difference.sum())
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
    if correction == "benjamini-hochberg":
        return [float(value) for value in stats.false_discovery_control(ranked)]
    order = np.argsort(ranked)
    adjusted = np.empty(len(ranked))
    adjusted[order] = np.minimum(np.maximum.accumulate(ranked[order] * np.arange(len(ranked), 0, -1)), 1.0)
    return [float(value) for value in adjusted]
