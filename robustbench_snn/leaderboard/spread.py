"""The mean of one model over its training seeds, and how far that mean can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from robustbench_snn.leaderboard.comparison import Scope, checked_outcomes
from robustbench_snn.leaderboard.statistics import Interval, score_interval, wilson
from robustbench_snn.leaderboard.variance import mean_estimate


@dataclass(frozen=True)
class Spread:
    """A mean with its variation.

    Attributes:
        mean: over seeds and samples, in [0, 1].
        sd: standard deviation of the seed means; None for one seed.
        interval: of the mean, over what ``scope`` says.
        scope: ``methods`` for two seeds or more (new trainings and new samples), ``networks`` for one (new samples).
        seeds: number of training seeds.
        samples: number of samples.
    """

    mean: float
    sd: float | None
    interval: Interval
    scope: Scope
    seeds: int
    samples: int


def spread(outcomes: ArrayLike, *, confidence: float = 0.95) -> Spread:
    """Summarises one model.

    For one seed the interval is Wilson's for n samples. For more it is Wilson's score interval with the effective
    number of samples m(1 − m)/V, m the mean and V its variance over seeds and samples
    (:func:`~robustbench_snn.leaderboard.variance.mean_estimate`), and Student's quantile in place of the normal one.

    Args:
        outcomes: in [0, 1], (seeds, samples), or (samples,) for one seed.
        confidence: of the interval.

    Raises:
        UserError: if the outcomes are not in [0, 1] or not of that shape.
    """
    found = checked_outcomes(outcomes, "the model")
    seeds, samples = found.shape
    mean = float(found.mean())
    if seeds == 1:
        return Spread(mean, None, wilson(mean, samples, confidence), "networks", seeds, samples)
    estimate = mean_estimate(found)
    binomial = mean * (1 - mean)
    effective = binomial / float(estimate.variance) if binomial > 0 else float(samples)
    quantile = float(stats.t.ppf(0.5 + confidence / 2, float(estimate.df)))
    sd = float(found.mean(1).std(ddof=1))
    return Spread(mean, sd, score_interval(mean, effective, quantile), "methods", seeds, samples)
