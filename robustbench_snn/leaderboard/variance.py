"""Variance of a mean over training seeds and test samples: seeds nested in models, samples crossed with all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """An estimate and its variance, each of the outcomes' leading (batch) shape.

    Attributes:
        value: the mean, or the difference of two means.
        variance: of ``value`` over new training seeds and new samples; above 0.
        df: degrees of freedom of ``variance``, at least 1.
    """

    value: Floats
    variance: Floats
    df: Floats


class Side(NamedTuple):
    """What one model has to do with the variance of a mean; each of the outcomes' leading (batch) shape.

    Attributes:
        by_sample: mean over seeds, (..., n).
        seeds: the seeds' part of the variance; 0 for one seed.
        shared: what that has in common with the samples' part; 0 for one seed.
        size: number of seeds k.
    """

    by_sample: Floats
    seeds: Floats
    shared: Floats
    size: int


def side(outcomes: Floats) -> Side:
    """One model's side of its comparisons, for outcomes (..., k, n)."""
    size, count = outcomes.shape[-2:]
    by_sample = outcomes.mean(-2)
    if size == 1:
        return Side(by_sample, np.zeros(outcomes.shape[:-2]), np.zeros(outcomes.shape[:-2]), size)
    return Side(by_sample, outcomes.mean(-1).var(-1, ddof=1) / size, _residual(outcomes) / (size * count), size)


def mean_estimate(outcomes: Floats) -> Estimate:
    """The mean of one model: as :func:`difference_estimate` for unequal numbers of seeds, without a baseline.

    Args:
        outcomes: (..., k, n) in [0, 1], k seeds and n samples, at least one of each.
    """
    found = side(outcomes)
    return _estimate(found.by_sample, [found])


def difference_estimate(candidate: Floats, baseline: Floats) -> Estimate:
    r"""The difference of two models on the same samples, each trained with seeds of its own.

    .. math:: V = \frac{s_A^2}{k_A} + \frac{s_B^2}{k_B} + \frac{\mathrm{var}(d)}{n}
        - \frac{r_A}{k_A n} - \frac{r_B}{k_B n}

    s² is the variance of a model's seed means. d is the difference of the two means over seeds, by sample. r is the
    residual mean square of a model's seeds × samples layout; it is contained in both parts, so it is taken off once.
    V is not below the seeds' part (the first two terms), nor below the samples' part (the third). A model with one
    seed has no seeds' part. Where d is the same for every sample, var(d) is taken as 1/n, as if one sample differed,
    because no finite test set shows that two models are equal.

    For equal numbers of seeds the degrees of freedom are Satterthwaite's, V² / (Σ (s²/k)²/(k−1) + (var(d)/n)²/(n−1)).
    For unequal numbers these are too many, as the smaller group's s² dominates V and is often small by chance. The 5 %
    quantile is then Cochran and Cox's, the mean of Student's for k−1, k−1 and n−1, weighted by the parts, and the
    degrees of freedom are those that have this quantile.

    Source: Gallas (2006, Acad. Radiol. 13:353); Obuchowski and Rockette (1995, Commun. Stat. Simul. Comput. 24:285);
    Satterthwaite (1946, Biometrics Bull. 2:110); Cochran and Cox (1950, Experimental Designs).

    Args:
        candidate: (..., k_A, n) in [0, 1].
        baseline: (..., k_B, n) in [0, 1], the same samples in the same order.
    """
    return difference_of(side(candidate), side(baseline))


def difference_of(candidate: Side, baseline: Side) -> Estimate:
    """As :func:`difference_estimate`, of sides that several comparisons share; their batch shapes are broadcast."""
    return _estimate(candidate.by_sample - baseline.by_sample, [candidate, baseline])


def _estimate(by_sample: Floats, models: Sequence[Side]) -> Estimate:
    count = by_sample.shape[-1]
    value = by_sample.mean(-1)
    spread = by_sample.var(-1, ddof=1) if count > 1 else np.zeros_like(value)
    samples = np.where(spread > 1e-12, spread, 1 / count) / count  # 1e-12: above rounding, below any real variance
    parts, freedoms, shared = [samples], [max(count - 1, 1)], np.zeros_like(value)
    for model in models:
        if model.size > 1:
            parts.append(model.seeds)
            freedoms.append(model.size - 1)
            shared = shared + model.shared
    seeds = sum(parts[1:], np.zeros_like(value))
    variance = np.maximum(seeds + samples - shared, np.maximum(seeds, samples))
    if len(models) == 2 and models[0].size == models[1].size:
        df = variance**2 / sum(part**2 / freedom for part, freedom in zip(parts, freedoms, strict=True))
    else:
        df = _cochran_cox(parts, freedoms)
    return Estimate(value, variance, np.maximum(df, 1.0))


def _cochran_cox(parts: Sequence[Floats], freedoms: Sequence[int]) -> Floats:
    """Degrees of freedom whose 97.5 % quantile is the mean of the parts' quantiles, weighted by the parts."""
    quantiles = stats.t.ppf(0.975, freedoms)
    mean = sum(part * quantile for part, quantile in zip(parts, quantiles, strict=True)) / sum(parts)
    df: Floats = special.stdtridf(0.975, mean)
    return df


def _residual(outcomes: Floats) -> Floats:
    """Residual mean square of a two-way layout (..., k, n) with one outcome a cell."""
    size, count = outcomes.shape[-2:]
    if count == 1:
        return np.zeros(outcomes.shape[:-2])
    total = (outcomes**2).sum((-2, -1)) + size * count * outcomes.mean((-2, -1)) ** 2
    rows = count * (outcomes.mean(-1) ** 2).sum(-1)
    columns = size * (outcomes.mean(-2) ** 2).sum(-1)
    mean_square: Floats = np.maximum(total - rows - columns, 0.0) / ((size - 1) * (count - 1))
    return mean_square
