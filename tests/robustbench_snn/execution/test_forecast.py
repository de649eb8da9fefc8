"""How long what is left takes, by hand and by properties that any estimate must have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustbench_snn.execution.forecast import Forecast, Measured, Waiting, Work, forecast, work_of

PGD, CLEAN, TRAINING = Work(("pgd",), 100), Work(("clean",), 100), Work(("train",), 1000)


def test_nothing_is_known_before_anything_is_done() -> None:
    assert forecast([Waiting(PGD), Waiting(CLEAN)], []) == Forecast(0.0, 2)


def test_what_is_done_says_nothing_about_what_is_unlike_it() -> None:
    assert forecast([Waiting(PGD), Waiting(PGD), Waiting(CLEAN)], [Measured(PGD, 30.0)]) == Forecast(60.0, 1)


def test_time_grows_with_the_images() -> None:
    assert forecast([Waiting(Work(("pgd",), 250))], [Measured(PGD, 30.0), Measured(PGD, 50.0)]).seconds == 100.0


def test_the_most_alike_counts_where_there_is_one() -> None:
    seen = [Measured(Work(("same", "like"), 100), 10.0), Measured(Work(("other", "like"), 100), 90.0)]
    assert forecast([Waiting(Work(("same", "like"), 100))], seen).seconds == 10.0
    assert forecast([Waiting(Work(("new", "like"), 100))], seen).seconds == 50.0


def test_this_run_counts_before_earlier_ones() -> None:
    seen = [Measured(PGD, 900.0, here=False), Measured(PGD, 30.0), Measured(CLEAN, 7.0, here=False)]
    assert forecast([Waiting(PGD), Waiting(CLEAN)], seen).seconds == 37.0


def test_what_is_under_way_has_less_left_and_never_less_than_nothing() -> None:
    seen = [Measured(PGD, 30.0)]
    assert forecast([Waiting(PGD, spent=12.0)], seen).seconds == 18.0
    assert forecast([Waiting(PGD, spent=45.0)], seen) == Forecast(0.0, 0)
    assert forecast([Waiting(TRAINING, spent=500.0, remaining=40.0)], seen).seconds == 40.0


def test_workers_share_the_cells_and_none_ends_before_the_longest() -> None:
    seen = [Measured(PGD, 30.0), Measured(TRAINING, 100.0)]
    assert forecast([Waiting(PGD)] * 4, seen, jobs=2).seconds == 60.0
    assert forecast([Waiting(TRAINING), Waiting(PGD)], seen, jobs=2).seconds == 100.0
    assert forecast([Waiting(PGD)], seen, jobs=8).seconds == 30.0


WORK = st.builds(Work, st.sampled_from([("a", "x"), ("b", "x"), ("c", "y")]), st.floats(1, 1e6))
SEEN = st.lists(st.builds(Measured, WORK, st.floats(0, 1e5), st.booleans()), max_size=8)
WAITING = st.lists(st.builds(Waiting, WORK, st.floats(0, 1e5), st.none() | st.floats(-10, 1e5)), max_size=8)


@given(WAITING, SEEN, st.integers(1, 8))
def test_more_workers_are_never_later_and_never_faster_than_in_proportion(
    waiting: list[Waiting], seen: list[Measured], jobs: int
) -> None:
    alone, together = forecast(waiting, seen), forecast(waiting, seen, jobs)
    assert together.unknown == alone.unknown <= len(waiting)
    assert alone.seconds / jobs * (1 - 1e-9) <= together.seconds <= alone.seconds
    assert forecast(waiting[1:], seen, jobs).unknown <= together.unknown


MODEL = {"encoder": {"name": "direct"}, "backbone": {"name": "spikformer", "depth": 2}, "timesteps": 4}


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({}, 6),
        ({"model": MODEL | {"encoder": {"name": "rate"}}}, 4),
        ({"model": MODEL | {"timesteps": 8}}, 2),
        ({"evaluation": {"name": "pgd", "steps": 20}}, 3),
        ({"evaluation": {"name": "fgsm"}}, 0),
        ({"dataset": {"name": "cifar10"}}, 0),
    ],
)
def test_how_alike_two_evaluations_are(change: dict[str, object], shared: int) -> None:
    identity = {"model": MODEL, "dataset": {"name": "digits"}, "evaluation": {"name": "pgd", "steps": 10}}
    one, other = work_of(identity, 100), work_of(identity | change, 100)
    assert len(set(one.likeness) & set(other.likeness)) == shared


def test_a_training_is_like_others_of_its_recipe_and_unlike_evaluations() -> None:
    identity = {"model": MODEL, "dataset": {"name": "digits"}, "recipe": {"epochs": 3}, "seed": 0}
    assert work_of(identity | {"seed": 1}, 9) == work_of(identity, 9)
    other = work_of(identity | {"recipe": {"epochs": 4}}, 9)
    evaluation = work_of({**identity, "evaluation": {"name": "clean"}}, 9)
    assert not {*other.likeness, *evaluation.likeness} & {*work_of(identity, 9).likeness}
