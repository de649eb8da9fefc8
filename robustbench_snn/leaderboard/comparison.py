"""Whether one model is better than another: over training seeds and samples, or for two trained networks only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.statistics import Interval, mcnemar, paired_bootstrap, sign_flip
from robustbench_snn.leaderboard.variance import Floats, difference_estimate

Scope = Literal["methods", "networks"]
Test = Literal["multi-reader multi-case t", "exact McNemar", "sign-flip permutation"]


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline on the same samples.

    Attributes:
        difference: mean outcome of the candidate minus that of the baseline, in [-1, 1].
        interval: of the difference, within [-1, 1].
        p_value: two-sided, before any correction.
        scope: ``methods`` if both have two seeds or more: the result is about new trainings and new samples.
            ``networks`` otherwise: the result is about these trained networks, and new samples.
        seeds: number of training seeds of the candidate and of the baseline.
        samples: number of samples.
        standard_error: of the difference, over what ``scope`` says.
        df: degrees of freedom of the standard error.
        minimum_detectable_effect: the smallest true difference found with 80 % power by a two-sided test at 5 %;
            at most 1, which means that no difference could be found so.
        test: where the p-value comes from.
    """

    difference: float
    interval: Interval
    p_value: float
    scope: Scope
    seeds: tuple[int, int]
    samples: int
    standard_error: float
    df: float
    minimum_detectable_effect: float
    test: Test


def compare(candidate: ArrayLike, baseline: ArrayLike, *, confidence: float = 0.95) -> Comparison:
    """Compares two models by their outcomes on the same samples in the same order.

    With two seeds or more on both sides this is a multi-reader multi-case analysis
    (:func:`~robustbench_snn.leaderboard.variance.difference_estimate`): training seeds are readers, samples are cases,
    and the test is Student's t. With one seed on either side nothing is known of that side's training noise. The test
    is then paired over samples, exact McNemar for 0/1 outcomes and sign-flip for others, the interval a paired
    bootstrap, and the scope ``networks``.

    Args:
        candidate: outcomes in [0, 1], (seeds, samples), or (samples,) for one seed: 0/1, or shares and means.
        baseline: likewise; its number of seeds may differ, and its seeds are not paired with the candidate's.
        confidence: of the interval, between 0 and 1.

    Raises:
        UserError: if the outcomes are not in [0, 1], or not of the same number of samples.
    """
    if not 0 < confidence < 1:
        raise UserError(f"confidence is {confidence}; give a share between 0 and 1, such as 0.95")
    a, b = checked_outcomes(candidate, "the candidate"), checked_outcomes(baseline, "the baseline")
    if a.shape[1] != b.shape[1]:
        raise UserError(
            f"the candidate has {a.shape[1]} samples and the baseline {b.shape[1]}; give outcomes (seeds, samples) of "
            "the same samples in the same order"
        )
    found = difference_estimate(a, b)
    error, df = math.sqrt(float(found.variance)), float(found.df)
    scope: Scope = "methods" if min(len(a), len(b)) > 1 else "networks"
    if scope == "networks":
        if len(a) != len(b):
            # the seeds of a side that has several say nothing of the other side's: only the samples' part counts
            alone = difference_estimate(a.mean(0, keepdims=True), b.mean(0, keepdims=True))
            error, df = math.sqrt(float(alone.variance)), float(alone.df)
        interval, p_value, test = _paired(a.mean(0), b.mean(0), confidence)
    else:
        half = float(stats.t.ppf(0.5 + confidence / 2, df)) * error
        value = float(found.value)
        interval = Interval(max(-1.0, value - half), min(1.0, value + half))
        p_value, test = float(2 * stats.t.sf(abs(value) / error, df)), "multi-reader multi-case t"
    return Comparison(
        difference=float(found.value),
        interval=interval,
        p_value=p_value,
        scope=scope,
        seeds=(len(a), len(b)),
        samples=a.shape[1],
        standard_error=error,
        df=df,
        minimum_detectable_effect=minimum_detectable_effect(error, df),
        test=test,
    )


def checked_outcomes(outcomes: ArrayLike, whose: str) -> Floats:
    """Returns outcomes as float64 (seeds, samples), after checking shape and range.

    Args:
        outcomes: (seeds, samples), or (samples,) for one seed.
        whose: for the message.

    Raises:
        UserError: if they are ragged, empty, of another shape, not finite, or outside [0, 1].
    """
    try:
        found = np.atleast_2d(np.asarray(outcomes, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise UserError(f"{whose}: not an array of numbers ({error}); every seed needs the same samples") from error
    if found.ndim != 2 or found.size == 0:
        raise UserError(f"{whose}: outcomes of shape {found.shape}; give (seeds, samples) with at least one of each")
    bad = ~(np.isfinite(found) & (found >= 0) & (found <= 1))
    if bad.any():
        seed, sample = np.argwhere(bad)[0]
        raise UserError(
            f"{whose}: {int(bad.sum())} outcomes are not in [0, 1], first {found[seed, sample]} at seed row {seed}, "
            f"sample {sample}; give 1 for correct, 0 for wrong, or the share correct, and leave out what failed"
        )
    return found


def minimum_detectable_effect(standard_error: float, df: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that a two-sided t test finds with this power, at most 1.

    It solves P(T > t) = power for the noncentrality δ of T, Student's noncentral t with ``df`` degrees of freedom,
    t its central 1 - alpha/2 quantile, and returns δ times the standard error.
    """
    return min(1.0, _noncentrality(df, power, alpha) * standard_error)


@lru_cache(maxsize=1 << 15)  # of trained networks one value for all pairs
def _noncentrality(df: float, power: float, alpha: float) -> float:
    critical = stats.t.ppf(1 - alpha / 2, df)
    # for df = 1, the worst, delta is about 1.3 critical
    return float(optimize.brentq(lambda d: stats.nct.sf(critical, df, d) - power, 0.0, 2 * critical + 2))


def _paired(a: Floats, b: Floats, confidence: float) -> tuple[Interval, float, Test]:
    """Interval, p-value and test over samples (N,) alone."""
    if np.ptp(a - b) < 1e-6:
        # Resampling equal differences gives an interval of no width. The exact binomial bound for no events in n says
        # what share of samples may differ unseen, each by 1 + |value| at most.
        value = float((a - b).mean())
        unseen = (1 - ((1 - confidence) / 2) ** (1 / len(a))) * (1 + abs(value))
        interval = Interval(max(-1.0, value - unseen), min(1.0, value + unseen))
    else:
        interval = paired_bootstrap(a, b, confidence=confidence)
    if np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all():
        return interval, mcnemar(a, b), "exact McNemar"
    return interval, sign_flip(a, b), "sign-flip permutation"
