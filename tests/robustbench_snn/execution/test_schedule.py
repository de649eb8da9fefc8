"""The order of cells, which all executors share."""

from __future__ import annotations

from typing import Literal

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution.schedule import Queue, Schedule
from robustbench_snn.plan.cells import Cell, TrainCell
from robustbench_snn.plan.plan import Plan, make_plan
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


def planned(models: str = "ab") -> Plan:
    suite = parse_suite(SUITE | {"models": [{"name": name, "encoder": "direct"} for name in models]})
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


def schedule() -> Schedule:
    return Schedule(planned())


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


def begun(models: str, workers: int) -> list[str]:
    """The order in which workers begin cells, if a training takes as long as ten evaluations."""
    plan, queue = planned(models), Queue(workers)
    order = Schedule(plan)
    queue.add(order.first())
    under_way: list[tuple[int, Cell]] = []
    found: list[Cell] = []
    now = 0
    while queue or under_way:
        while queue and len(under_way) < workers:
            cell = queue.take()
            found.append(cell)
            under_way.append((now + (10 if isinstance(cell, TrainCell) else 1), cell))
        under_way.sort(key=lambda one: one[0])
        now, cell = under_way.pop(0)
        queue.add(order.after(cell, record()))
    return titles(found)


@pytest.mark.parametrize(
    ("models", "workers", "expected"),
    [
        ("abc", 1, "train a, clean on a, train b, clean on b, train c, clean on c"),
        ("abc", 2, "train a, train b, train c, clean on a, clean on b, clean on c"),
        ("abcd", 2, "train a, train b, clean on a, clean on b, train c, train d, clean on c, clean on d"),
        ("abc", 3, "train a, train b, train c, clean on a, clean on b, clean on c"),
    ],
)
def test_rows_are_whole_early_and_no_training_is_left_to_one_worker(models: str, workers: int, expected: str) -> None:
    assert ", ".join(title for title in begun(models, workers) if "transfer" not in title) == expected


def test_a_cell_that_was_begun_before_comes_before_its_kind() -> None:
    queue, plan = Queue(1), planned()
    queue.add(plan.train[1:])
    queue.add_first(plan.train[0])
    assert len(queue) == 2
    assert [queue.take(), queue.take()] == list(plan.train)
    assert not queue
