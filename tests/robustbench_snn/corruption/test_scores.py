"""Corruption scores against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from robustbench_snn.corruption.scores import (
    Reference,
    accuracy_by_severity,
    mean_corruption_error,
    relative_mean_corruption_error,
    score,
)
from robustbench_snn.errors import UserError

TABLE = {"fog": {1: 0.8, 2: 0.6}, "snow": {1: 0.7, 2: 0.1}}
REFERENCE = Reference(name="small net", accuracy={"fog": {1: 0.6, 2: 0.4}, "snow": {1: 0.5, 2: 0.1}}, clean=0.8)


def test_mce_is_the_mean_of_ratios_not_the_ratio_of_means() -> None:
    # fog: (0.2 + 0.4) / (0.4 + 0.6) = 0.6; snow: (0.3 + 0.9) / (0.5 + 0.9) = 6/7
    assert mean_corruption_error(TABLE, REFERENCE) == pytest.approx((0.6 + 6 / 7) / 2)


def test_relative_mce_takes_the_clean_errors_off() -> None:
    # clean errors 0.1 and 0.2: fog (0.6 - 0.2) / (1.0 - 0.4), snow (1.2 - 0.2) / (1.4 - 0.4)
    assert relative_mean_corruption_error(TABLE, 0.9, REFERENCE) == pytest.approx((0.4 / 0.6 + 1.0) / 2)


def test_without_a_reference_the_mean_error_is_reported_and_said_so() -> None:
    scores = score(TABLE, clean=0.9)
    assert scores.mce == pytest.approx(1 - (0.8 + 0.6 + 0.7 + 0.1) / 4)
    assert scores.reference is None
    assert scores.relative_mce is None


def test_all_scores() -> None:
    scores = score(TABLE, clean=0.9, reference=REFERENCE)
    assert scores.mean_accuracy == pytest.approx(0.55)
    assert scores.rpc == pytest.approx(0.55 / 0.9)
    assert (scores.worst_type, scores.worst_accuracy) == ("snow", pytest.approx(0.4))
    assert scores.reference == "small net"
    assert accuracy_by_severity(TABLE) == pytest.approx({1: 0.75, 2: 0.35})


def test_the_reference_scores_one_against_itself() -> None:
    own = score(REFERENCE.accuracy, REFERENCE.clean, REFERENCE)
    assert own.mce == pytest.approx(1)
    assert own.relative_mce == pytest.approx(1)


def test_degenerate_denominators() -> None:
    perfect = Reference(name="perfect", accuracy={"fog": {1: 1.0, 2: 1.0}, "snow": {1: 1.0, 2: 1.0}}, clean=1.0)
    assert mean_corruption_error(TABLE, perfect) == math.inf
    assert math.isnan(score(TABLE, clean=0.0).rpc)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "no corruption accuracies"),
        ({"fog": {1: 0.5}, "snow": {2: 0.5}}, "measured at severities"),
        ({"fog": {1: 55.0}}, "must lie in"),
        ({"fog": {1: math.nan}}, "must lie in"),
    ],
)
def test_bad_tables(table: dict[str, dict[int, float]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        score(table, clean=0.9)


def test_a_reference_that_lacks_a_type() -> None:
    with pytest.raises(UserError, match="small net has no accuracy for frost"):
        mean_corruption_error({"frost": {1: 0.5}}, REFERENCE)
