"""Comparisons and their words: formulas by hand, scopes, degenerate outcomes, and input that is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.comparison import compare, minimum_detectable_effect
from robustbench_snn.leaderboard.statistics import mcnemar, paired_bootstrap
from robustbench_snn.leaderboard.variance import difference_estimate
from robustbench_snn.leaderboard.verdict import verdict

A = np.array([[1, 1, 0, 1, 1, 0, 1, 1], [1, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 1, 1]], dtype=float)
B = np.array([[0, 1, 0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 1, 0, 1]], dtype=float)


def by_hand() -> tuple[float, float]:
    """V and its degrees of freedom for A and B, written out with loops."""
    k, n = A.shape
    parts, residuals = [], []
    for outcomes in (A, B):
        parts.append(np.var(outcomes.mean(1), ddof=1) / k)
        squares = sum(
            (outcomes[i, j] - outcomes[i].mean() - outcomes[:, j].mean() + outcomes.mean()) ** 2
            for i in range(k)
            for j in range(n)
        )
        residuals.append(squares / ((k - 1) * (n - 1)))
    samples = np.var(A.mean(0) - B.mean(0), ddof=1) / n
    variance = max(sum(parts) + samples - sum(residuals) / (k * n), sum(parts), samples)
    return variance, variance**2 / (sum(part**2 for part in parts) / (k - 1) + samples**2 / (n - 1))


def test_variance_and_degrees_of_freedom_by_hand() -> None:
    variance, df = by_hand()
    found = difference_estimate(A, B)
    assert float(found.variance) == pytest.approx(variance)
    assert float(found.df) == pytest.approx(df)


def test_two_methods_over_seeds() -> None:
    variance, df = by_hand()
    found = compare(A, B)
    t = (A.mean() - B.mean()) / math.sqrt(variance)
    assert (found.scope, found.seeds, found.samples) == ("methods", (3, 3), 8)
    assert found.difference == pytest.approx(A.mean() - B.mean())
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    assert found.p_value == pytest.approx(2 * stats.t.sf(t, df))
    assert found.interval.half_width == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(variance))
    assert compare(B, A).difference == -found.difference
    assert compare(B, A).p_value == pytest.approx(found.p_value)


def test_one_seed_on_either_side_compares_networks_over_samples_only() -> None:
    found = compare(A[0], B[:1])
    assert (found.scope, found.seeds, found.test) == ("networks", (1, 1), "exact McNemar")
    assert found.p_value == mcnemar(A[0], B[0])
    assert found.interval == paired_bootstrap(A[0], B[0])
    several = compare(A[0], B)
    assert (several.scope, several.seeds, several.test) == ("networks", (1, 3), "sign-flip permutation")
    assert several.interval == paired_bootstrap(A[0], B.mean(0))
    assert several.df == 7


def test_unequal_seeds_take_cochran_and_coxs_quantile() -> None:
    found = difference_estimate(A[:2], B)
    parts = [np.var(x.mean(1), ddof=1) / len(x) for x in (A[:2], B)] + [np.var(A[:2].mean(0) - B.mean(0), ddof=1) / 8]
    quantile = np.average(stats.t.ppf(0.975, [1, 2, 7]), weights=parts)
    assert stats.t.ppf(0.975, float(found.df)) == pytest.approx(quantile)


@given(st.data())
def test_every_valid_input_gives_finite_numbers_in_range(data: st.DataObject) -> None:
    samples = data.draw(st.integers(1, 5))
    value = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
    sides = [data.draw(arrays(float, (data.draw(st.integers(1, 4)), samples), elements=value)) for _ in range(2)]
    found = compare(*sides)
    assert all(math.isfinite(x) for x in (found.standard_error, found.df, found.p_value, found.difference))
    assert found.standard_error > 0
    assert found.df >= 1
    assert 0 <= found.p_value <= 1
    assert -1 <= found.interval.low <= found.interval.high <= 1
    assert found.interval.low - 1e-9 <= found.difference <= found.interval.high + 1e-9 or found.scope == "networks"
    assert 0 < found.minimum_detectable_effect <= 1
    assert verdict(found)


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_outcomes_are_no_proof_of_equality(seeds: int) -> None:
    found = compare(np.ones((seeds, 200)), np.ones((seeds, 200)))
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.interval.low < -0.005
    assert found.interval.high > 0.005
    assert found.minimum_detectable_effect > 0.01


def test_one_sample_shows_nothing() -> None:
    found = compare(np.ones((3, 1)), np.zeros((3, 1)))
    assert (found.interval.low, found.interval.high) == (-1.0, 1.0)
    assert found.p_value >= 0.5
    assert "no difference of any size could be seen" in verdict(found)


def test_seeds_without_spread_leave_the_samples_part() -> None:
    a, b = np.repeat(A[:1], 3, axis=0), np.repeat(B[:1], 3, axis=0)
    found = compare(a, b)
    assert found.standard_error == pytest.approx(np.std(A[0] - B[0], ddof=1) / math.sqrt(8))
    assert found.df == pytest.approx(7)


@pytest.mark.parametrize(
    ("candidate", "baseline", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "3 samples and the baseline 4.*same samples in the same order"),
        (
            [[1, float("nan")]],
            [[1, 1]],
            r"the candidate: 1 outcomes are not in \[0, 1\], first nan at seed row 0, sample 1",
        ),
        ([[1, 1]], [[1, float("inf")]], "the baseline: .*first inf"),
        ([[98.5, 84.0]], [[1, 1]], "share correct"),
        ([[1, -0.1]], [[1, 1]], "first -0.1"),
        (np.ones((2, 0)), np.ones((2, 0)), "at least one of each"),
        (np.ones((2, 2, 2)), np.ones((2, 2)), r"shape \(2, 2, 2\)"),
        ([[1, 0], [1]], [[1, 0]], "every seed needs the same samples"),
        (["yes", "no"], [1, 0], "not an array of numbers"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(candidate: Any, baseline: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare(candidate, baseline)


def test_a_confidence_in_percent_is_refused() -> None:
    with pytest.raises(UserError, match="give a share between 0 and 1"):
        compare(A, B, confidence=95)


@pytest.mark.parametrize("df", [1.0, 1.5, 4.0, 30.0, 1e6])
def test_the_minimum_detectable_effect_has_80_percent_power(df: float) -> None:
    effect = minimum_detectable_effect(0.001, df)
    generator = np.random.default_rng(0)
    t = (generator.normal(effect / 0.001, 1, 100_000)) / np.sqrt(generator.chisquare(df, 100_000) / df)
    assert np.mean(t > stats.t.ppf(0.975, df)) == pytest.approx(0.8, abs=0.01)


def test_verdicts_claim_no_more_than_their_scope() -> None:
    methods = compare(np.repeat(A, 20, axis=1), np.repeat(B, 20, axis=1))
    said = verdict(methods, candidate="stf", baseline="direct")
    assert said.startswith("stf is more robust than direct: +45.8 points")
    assert "3 and 3 seeds, 160 samples" in said
    assert verdict(dataclasses.replace(methods, difference=-0.4)).startswith("the candidate is less robust")
    assert "is more accurate than" in verdict(methods, quality="accurate")
    networks = verdict(compare(np.repeat(A[0], 20), np.repeat(B[0], 20)), candidate="stf", baseline="direct")
    assert networks.startswith("These trained networks of stf are more robust than those of direct on such samples")
    assert "says nothing of the difference between the methods" in networks


def test_a_verdict_follows_the_corrected_p_value() -> None:
    found = compare(np.repeat(A, 20, axis=1), np.repeat(B, 20, axis=1))
    said = verdict(found, adjusted=0.2)
    assert said.startswith("No difference found between the candidate and the baseline")
    assert f"true differences below {100 * found.minimum_detectable_effect:.1f} points could not be seen" in said
    alone = verdict(compare(A[0], B[0]))
    assert alone.startswith("No difference found between these trained networks of the candidate and the baseline")
