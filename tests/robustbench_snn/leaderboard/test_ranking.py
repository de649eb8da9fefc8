"""Rankings with ties, the spread of one model, and rows that lack cells."""

from __future__ import annotations

from itertools import combinations
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard import pairs
from robustbench_snn.leaderboard.comparison import compare
from robustbench_snn.leaderboard.completeness import missing
from robustbench_snn.leaderboard.pairs import pair_p_values
from robustbench_snn.leaderboard.ranking import rank_groups
from robustbench_snn.leaderboard.spread import spread
from robustbench_snn.leaderboard.statistics import adjust, sign_flip, wilson


def outcomes(accuracy: float, seeds: int, number: int) -> np.ndarray:
    return (np.random.default_rng(number).random((seeds, 500)) < accuracy).astype(float)


def test_models_that_do_not_differ_share_a_rank() -> None:
    models = {"c": outcomes(0.3, 5, 1), "a": outcomes(0.8, 5, 2), "b": outcomes(0.8, 5, 3), "d": outcomes(0.3, 5, 4)}
    found = rank_groups(models)
    assert [set(group) for group in found.groups] == [{"a", "b"}, {"c", "d"}]
    assert found.scope == "methods"
    for group in found.groups:
        means = [models[name].mean() for name in group]
        assert means == sorted(means, reverse=True)


def test_a_difference_that_does_not_survive_the_correction_is_a_tie() -> None:
    pair = {"a": outcomes(0.56, 1, 1)[0], "b": outcomes(0.49, 1, 2)[0]}
    assert rank_groups(pair).groups == (("a",), ("b",))
    crowd = pair | {f"x{i}": outcomes(0.56, 1, 10 + i)[0] for i in range(8)}
    assert any({"a", "b"} <= set(group) for group in rank_groups(crowd).groups)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.sampled_from([1, 1, 2, 3]), min_size=2, max_size=8), st.booleans())
@example(2933, [3, 3, 1, 2, 3], False)  # one of its p-values differs in the sixteenth digit
def test_all_pairs_at_once_are_the_comparisons_one_by_one(number: int, seeds: list[int], shares: bool) -> None:
    random = np.random.default_rng(number)
    models = {}
    for index, size in enumerate(seeds):
        right = random.random((size, 60)) < random.choice([0.2, 0.5, 0.9])
        parts = random.integers(0, 4, (size, 60)) / 3
        models[str(index)] = np.where(right, parts if shares and index % 2 else 1.0, 0.0)
    order = sorted(models, key=lambda name: (-models[name].mean(), name))
    both = list(combinations(order, 2))
    p_values = [compare(models[a], models[b]).p_value for a, b in both]
    found = pair_p_values([models[name] for name in order], alpha=0.05)
    assert found[np.triu_indices(len(order), 1)] == pytest.approx(p_values, rel=1e-12, abs=0)  # sums of another order
    adjusted, groups = dict(zip(both, adjust(p_values, "holm"), strict=True)), []
    while order:
        groups.append((order[0], *(name for name in order[1:] if adjusted[order[0], name] >= 0.05)))
        order = [name for name in order if name not in groups[-1]]
    assert list(rank_groups(models).groups) == groups


def test_sign_flip_tests_that_no_correction_lets_through_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    random, runs = np.random.default_rng(0), Mock(side_effect=sign_flip)
    monkeypatch.setattr(pairs, "sign_flip", runs)
    models = {f"share {i:02}": random.integers(0, 3, (1, 50)) / 2 * (random.random(50) < i / 33) for i in range(33)}
    models |= {f"network {i}": (random.random((1, 50)) < i / 4).astype(float) for i in range(5)}
    crowd = rank_groups(models).groups
    assert runs.call_count == 0, "the least of more than 500 p-values, of 10,000 draws, is corrected to 0.05 or more"
    assert len(crowd) > 1
    monkeypatch.setattr(pairs, "DRAWS", 10**9)  # as if a test had no least p-value: all are run
    assert rank_groups(models).groups == crowd
    assert runs.call_count > 600


def test_one_seed_anywhere_makes_it_a_ranking_of_networks() -> None:
    assert rank_groups({"a": outcomes(0.8, 5, 1), "b": outcomes(0.3, 1, 2)}).scope == "networks"
    assert rank_groups({"a": outcomes(0.8, 1, 1)}).scope == "networks"
    alone = rank_groups({"a": outcomes(0.8, 2, 1)})
    assert (alone.groups, alone.scope) == ((("a",),), "methods")
    assert rank_groups({}).groups == ()


def test_a_bad_model_is_named() -> None:
    with pytest.raises(UserError, match="stf: 1 outcomes are not in"):
        rank_groups({"direct": [1, 0], "stf": [1, 2]})


def test_the_spread_of_one_network_is_wilsons_interval() -> None:
    found = spread([1, 1, 1, 0])
    assert (found.mean, found.sd, found.scope, found.interval) == (0.75, None, "networks", wilson(0.75, 4))


def test_the_spread_over_seeds_is_wider_than_one_networks_interval_when_seeds_differ() -> None:
    apart = np.array([[1.0] * 90 + [0.0] * 10, [1.0] * 50 + [0.0] * 50, [1.0] * 70 + [0.0] * 30])
    found = spread(apart)
    assert (found.scope, found.seeds, found.samples) == ("methods", 3, 100)
    assert found.mean == pytest.approx(0.7)
    assert found.sd == pytest.approx(0.2)
    assert found.interval.half_width > 2 * wilson(0.7, 100).half_width
    assert 0 <= found.interval.low < 0.7 < found.interval.high <= 1


def test_all_correct_over_all_seeds_is_no_certainty() -> None:
    found = spread(np.ones((3, 200)))
    assert found.interval.high == 1
    assert found.interval.low == pytest.approx(wilson(1.0, 200).low, abs=0.001)


def test_missing_cells_are_named_by_seed() -> None:
    present = [(0, "clean"), (0, "pgd"), (1, "clean")]
    found = missing(present, seeds=[0, 1, 2], conditions=["clean", "pgd"])
    assert found.cells == ((1, "pgd"), (2, "clean"), (2, "pgd"))
    assert str(found) == "seed 1: pgd; seed 2: clean, pgd"
    assert found
    assert not missing(present, seeds=[0], conditions=["clean", "pgd"])
