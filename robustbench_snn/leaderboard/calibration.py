"""Whether a test keeps its promise: outcomes simulated with a known truth, and three tests to hold against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from robustbench_snn.leaderboard.variance import Floats, difference_estimate

TESTS = ("samples only", "Welch over seeds", "multi-reader multi-case")


@dataclass(frozen=True)
class Population:
    r"""Models, seeds and samples with logistic random effects, each normal with mean 0.

    .. math:: p_{mij} = \mathrm{logistic}(\mu + c_j + u_{mi} + g_{mj} + w_{mij})

    Attributes:
        outcome: ``binary`` draws 0/1 with probability p; ``share`` takes p itself, bounded and not binary.
        level: μ.
        difficulty: standard deviation of c, of sample j, shared by all models.
        seed: of u, of seed i of model m.
        model: of g, of sample j for model m: models find other samples hard, but are equal on average.
        interaction: of w, of one seed of one model on one sample.
    """

    outcome: Literal["binary", "share"]
    level: float = 1.0
    difficulty: float = 3.0
    seed: float = 0.0
    model: float = 0.0
    interaction: float = 1.0

    def draw(
        self,
        generator: np.random.Generator,
        repeats: int,
        seeds: tuple[int, int],
        samples: int,
        gain: float = 0.0,
        baseline: Population | None = None,
    ) -> tuple[Floats, Floats]:
        """Draws experiments with two models.

        Args:
            generator: random numbers.
            repeats: number of experiments.
            seeds: k_A and k_B.
            samples: n.
            gain: added to the first model's level.
            baseline: the second model, if its effects of seeds, models and interaction are others.

        Returns:
            Outcomes (repeats, k_A, n) and (repeats, k_B, n) in [0, 1].
        """
        shared = self.level + self.difficulty * _normal(generator, repeats, 1, samples)
        first = self._model(generator, shared, seeds[0])
        second = (baseline or self)._model(generator, shared, seeds[1])
        return self._outcomes(generator, first + gain), self._outcomes(generator, second)

    def _model(self, generator: np.random.Generator, shared: Floats, size: int) -> Floats:
        repeats, _, samples = shared.shape
        logit = shared + self.seed * _normal(generator, repeats, size, 1)
        if self.model:
            logit = logit + self.model * _normal(generator, repeats, 1, samples)
        return logit + self.interaction * _normal(generator, repeats, size, samples)

    def _outcomes(self, generator: np.random.Generator, logit: Floats) -> Floats:
        probability: Floats = special.expit(logit)
        if self.outcome == "binary":
            return (generator.random(probability.shape, dtype=np.float32) < probability).astype(np.float64)
        return probability.astype(np.float64)


def p_values(candidate: Floats, baseline: Floats) -> Mapping[str, Floats]:
    """Two-sided p-values of many experiments at once, by the name of the test (:data:`TESTS`).

    Args:
        candidate: (..., k_A, n) in [0, 1], with two seeds or more.
        baseline: (..., k_B, n), likewise.

    Returns:
        For each test an array of the leading shape: a paired t test over samples after averaging over seeds, Welch's
        t test over seed means, and the test of :func:`~robustbench_snn.leaderboard.comparison.compare`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        over_samples = stats.ttest_1samp(candidate.mean(-2) - baseline.mean(-2), 0.0, axis=-1).pvalue
        over_seeds = stats.ttest_ind(candidate.mean(-1), baseline.mean(-1), axis=-1, equal_var=False).pvalue
    estimate = difference_estimate(candidate, baseline)
    crossed = 2 * stats.t.sf(np.abs(estimate.value) / np.sqrt(estimate.variance), estimate.df)
    # no variance and no difference: scipy's 0/0, nothing found
    found = [np.nan_to_num(over_samples, nan=1.0), np.nan_to_num(over_seeds, nan=1.0), crossed]
    return dict(zip(TESTS, found, strict=True))


def halves(outcomes: Floats, splits: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Compares one model with itself: its seeds (k, n) split at random in halves, many times.

    Returns:
        Outcomes (splits, k // 2, n) of either half; for odd k one seed is left out of each split.
    """
    size = len(outcomes) // 2
    order = generator.permuted(np.tile(np.arange(len(outcomes)), (splits, 1)), axis=1)
    return outcomes[order[:, :size]], outcomes[order[:, size : 2 * size]]


def _normal(generator: np.random.Generator, *shape: int) -> Floats:
    # single precision: half the time, and an effect needs no more
    drawn: Floats = generator.standard_normal(shape, dtype=np.float32)  # type: ignore[assignment]
    return drawn
