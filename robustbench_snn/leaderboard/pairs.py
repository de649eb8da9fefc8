"""The p-values of all pairs of many models, as comparisons one by one find them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from robustbench_snn.leaderboard.statistics import DRAWS, exact_sign_test, sign_flip
from robustbench_snn.leaderboard.variance import Floats, Side, difference_of, side

Indices = NDArray[np.int64]

ROWS = 256
"""Models whose wins over all others are counted at once."""


def pair_p_values(models: Sequence[Floats], alpha: float) -> Floats:
    """Uncorrected p-values of all pairs, (M, M); only those above the diagonal are there, the rest is 1.

    They are those of :func:`~robustbench_snn.leaderboard.comparison.compare`, but for one thing: a sign-flip test has
    no p-value below 1 / (1 + draws), and Holm's correction multiplies the least of s of them by s or more. Where
    even that is not below ``alpha``, none of them can be found, and all are given as this least one.

    Args:
        models: outcomes (seeds, samples) each, of the same samples.
        alpha: level at which the corrected p-values are to be read.
    """
    found = np.ones((len(models), len(models)))
    sizes = np.array([len(outcomes) for outcomes in models], dtype=np.int64)
    several = np.flatnonzero(sizes > 1)
    for size in np.unique(sizes[several]):
        _fill_methods(found, several, np.flatnonzero(sizes == size), models)
    _fill_networks(found, models, alpha)
    return found


def _fill_methods(found: Floats, several: Indices, group: Indices, models: Sequence[Floats]) -> None:
    """Student's t between every model with several seeds and the later ones of one number of seeds."""
    others = side(np.stack([models[index] for index in group]))
    for index in several:
        later = slice(int(np.searchsorted(group, index, side="right")), None)
        if len(group[later]):
            part = Side(others.by_sample[later], others.seeds[later], others.shared[later], others.size)
            estimate = difference_of(side(models[index]), part)
            found[index, group[later]] = 2 * stats.t.sf(
                np.abs(estimate.value) / np.sqrt(estimate.variance), estimate.df
            )


def _fill_networks(found: Floats, models: Sequence[Floats], alpha: float) -> None:
    """Paired tests over samples, wherever one of two models has one seed."""
    single = np.array([len(outcomes) == 1 for outcomes in models], dtype=bool)
    if not single.any():
        return
    means = np.stack([outcomes.mean(0) for outcomes in models])
    binary, later = np.all(np.isin(means, (0, 1)), axis=1, keepdims=True), np.arange(len(models))
    for start in range(0, len(models), ROWS):
        rows = slice(start, start + ROWS)
        pairs = (single[rows, None] | single) & (later[rows, None] < later)
        exact = pairs & binary[rows] & binary.T
        wins, losses = means[rows] @ (1 - means).T, (1 - means[rows]) @ means.T
        base = means.shape[1] + 1
        alike, of_pair = np.unique((wins[exact] * base + losses[exact]).astype(np.int64), return_inverse=True)
        found[rows][exact] = exact_sign_test(alike // base, alike % base)[of_pair]
        found[rows][pairs & ~exact] = -1  # not known yet
    unknown, least = found < 0, 1 / (1 + DRAWS)
    if unknown.sum() * least >= alpha:
        found[unknown] = least
        return
    for one, other in np.argwhere(unknown):
        found[one, other] = sign_flip(means[one], means[other])
