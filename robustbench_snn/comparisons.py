"""Comparing two models from Python, by arrays of outcomes or by what :func:`robustbench_snn.evaluate` returned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from robustbench_snn.api import Result
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard import comparison
from robustbench_snn.leaderboard.comparison import Comparison
from robustbench_snn.leaderboard.variance import Floats
from robustbench_snn.plan.keys import content_key


def compare(
    candidate: ArrayLike | Result | Sequence[Result],
    baseline: ArrayLike | Result | Sequence[Result],
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Says whether one model is better than another on the same samples.

    With two training seeds or more on both sides the answer is about the methods: new trainings and new samples. With
    one seed on either side it is about these trained networks only, and ``scope`` says so.

    Args:
        candidate: outcomes in [0, 1], (seeds, samples), or (samples,) for one seed; or the results of one evaluation,
            one a training seed, whose ``columns["correct"]`` are compared.
        baseline: likewise; its number of seeds may differ, and its seeds are not paired with the candidate's. Arrays
            have the samples in the same order; results have them in any, and are aligned by their ``sample_ids``.
        confidence: of the interval, between 0 and 1.

    Returns:
        The difference with its interval, p-value, scope, numbers of seeds and samples, and the minimum detectable
        effect.

    Raises:
        UserError: if the two are not outcomes in [0, 1] of the same samples, or the results are of different
            evaluations or of one without an accuracy, or one side are results and the other an array.

    Example:
        >>> from robustbench_snn import compare
        >>> found = compare([[1, 1, 0, 1], [1, 1, 1, 0]], [[0, 1, 0, 0], [0, 0, 1, 0]])
        >>> found.scope, found.difference
        ('methods', 0.5)
    """
    a, b = _results(candidate), _results(baseline)
    if a is None and b is None:
        return comparison.compare(candidate, baseline, confidence=confidence)  # type: ignore[arg-type]
    if a is None or b is None:
        raise UserError("one side are results and the other is an array; give two of a kind, so that samples align")
    first, *others = [*a, *b]
    for result in others:
        _check_same(first, result)
    both = [np.stack([_correct(result, first) for result in side]) for side in (a, b)]
    return comparison.compare(*both, confidence=confidence)


def _results(side: ArrayLike | Result | Sequence[Result]) -> list[Result] | None:
    if isinstance(side, Result):
        return [side]
    if isinstance(side, list | tuple) and side and any(isinstance(item, Result) for item in side):
        return list(side)
    return None


def _check_same(first: Result, result: Result) -> None:
    if not isinstance(result, Result):
        raise UserError(f"a {type(result).__name__} stands among results; give one result a training seed")
    for name in ("name", "version", "parameters"):
        mine, theirs = getattr(first, name), getattr(result, name)
        if content_key(value=mine) != content_key(value=theirs):
            raise UserError(
                f"results of different evaluations do not compare: {name} {mine!r} and {theirs!r}; give the results "
                "of one evaluation, or of one of its parts, one a training seed"
            )


def _correct(result: Result, first: Result) -> Floats:
    """Outcomes (samples,) in the order of the first result's samples."""
    if "correct" not in result.columns:
        raise UserError(f"{result.name} has no accuracy to compare (no column 'correct')")
    ids, wanted = np.argsort(result.sample_ids), np.argsort(first.sample_ids)
    if not np.array_equal(result.sample_ids[ids], first.sample_ids[wanted]):
        raise UserError("the results are of different samples (sample_ids differ); evaluate both on the same images")
    found = np.empty(len(ids))
    found[wanted] = np.asarray(result.columns["correct"], dtype=np.float64)[ids]
    return found
