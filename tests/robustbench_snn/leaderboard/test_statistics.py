"""Statistics against scipy, published examples and hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robustbench_snn.leaderboard.statistics import (
    Correction,
    adjust,
    mcnemar,
    paired_bootstrap,
    sign_flip,
    wilson,
)


@given(st.integers(0, 500), st.integers(1, 500), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_equals_scipys(hits: int, extra: int, confidence: float) -> None:
    count = hits + extra
    theirs = stats.binomtest(hits, count).proportion_ci(confidence, method="wilson")
    ours = wilson(hits / count, count, confidence)
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


def test_wilson_half_width_of_ten_thousand_samples_at_95_percent() -> None:
    assert 100 * wilson(0.95, 10_000).half_width == pytest.approx(0.43, abs=0.005)


def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs() -> None:
    model = np.array([1] * 9 + [0] * 1 + [1] * 50 + [0] * 40)
    baseline = np.array([0] * 9 + [1] * 1 + [1] * 50 + [0] * 40)
    # 9 wins, 1 loss: 2 * (C(10, 0) + C(10, 1)) / 2^10
    assert mcnemar(model, baseline) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(model, model) == 1.0


def test_bootstrap_interval_is_the_normal_one_for_many_samples() -> None:
    generator = np.random.default_rng(1)
    baseline = (generator.random(20_000) < 0.5).astype(float)
    model = np.where(generator.random(20_000) < 0.1, 1.0, baseline)
    difference = model - baseline
    found = paired_bootstrap(model, baseline)
    half = 1.96 * difference.std() / np.sqrt(len(difference))
    assert found.low == pytest.approx(difference.mean() - half, abs=2e-4)
    assert found.high == pytest.approx(difference.mean() + half, abs=2e-4)


def test_sign_flip_agrees_with_mcnemar_on_binary_outcomes() -> None:
    model = np.array([1] * 16 + [0] * 5 + [1] * 100)
    baseline = np.array([0] * 16 + [1] * 5 + [1] * 100)
    assert sign_flip(model, baseline, draws=100_000) == pytest.approx(mcnemar(model, baseline), abs=0.005)


def test_holm_and_benjamini_hochberg_by_hand() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert adjust(p_values, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust(p_values, "benjamini-hochberg") == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjust([], "holm") == adjust([], "benjamini-hochberg") == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(p_values: list[float]) -> None:
    corrections: tuple[Correction, ...] = ("holm", "benjamini-hochberg")
    for correction in corrections:
        adjusted = adjust(p_values, correction)
        assert all(after >= before - 1e-12 for before, after in zip(p_values, adjusted, strict=True))
        order = np.argsort(p_values)
        assert all(np.diff(np.asarray(adjusted)[order]) >= -1e-12)
