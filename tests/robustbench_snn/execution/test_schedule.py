"""The order of cells, which all executors share."""

from __future__ import annotations

from typing import Literal

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution.schedule import Schedule
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from tests.provenance import PROVENANCE

SUITE = {
    "name": "pair",
    "dataset": {"name": "digits", "limit": 10, "train_limit": 20},
    "models": [{"name": "a", "encoder": "direct"}, {"name": "b", "encoder": "direct"}],
    "evaluations": [{"transfer": {"eps": 0.01}}, "clean"],
}


def record(status: Literal["done", "failed"] = "done") -> Record:
    return Record(
        key="k", kind="train", status=status, suite="pair", model="m", identity={}, seed=0, timesteps=4, parameters=1,
        provenance=PROVENANCE,
    )  # fmt: skip


def schedule() -> Schedule:
    suite = parse_suite(SUITE)
    return Schedule(make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters)))


def titles(cells: list[Cell]) -> list[str]:
    return [cell.title.replace(", seed 0", "") for cell in cells]


def test_a_trained_model_is_evaluated_and_what_needs_the_others_comes_when_all_else_is_finished() -> None:
    order = schedule()
    first, second = order.first()
    assert titles([first, second]) == ["train a", "train b"]
    (of_second,) = order.after(second, record())
    assert titles([of_second]) == ["clean on b"]
    assert list(order.after(of_second, record())) == [], "a is not trained yet"
    (of_first,) = order.after(first, record())
    assert titles([of_first]) == ["clean on a"]
    last = list(order.after(of_first, record("failed")))
    assert titles(last) == ["transfer on b", "transfer on a"]
    assert [list(order.after(cell, record())) for cell in last] == [[], []]


def test_evaluations_of_a_failed_training_are_left_out() -> None:
    order = schedule()
    first, second = order.first()
    assert list(order.after(first, record("failed"))) == []
    (clean,) = order.after(second, record())
    assert titles(list(order.after(clean, record()))) == ["transfer on b"]


def test_nothing_follows_when_every_training_failed() -> None:
    order = schedule()
    assert [list(order.after(cell, record("failed"))) for cell in order.first()] == [[], []]
