"""A run's account of itself while its cells finish, by a clock that the test turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.forecast import Forecast
from robustbench_snn.execution.outlook import Outlook
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.standing import Counts, counted, standing
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Failure, Record
from robustbench_snn.store.store import Store
from tests.provenance import PROVENANCE
from tests.tiny_suite import TINY

SUITE = TINY | {"seeds": [0, 1], "recipe": {"epochs": 4, "batch_size": 32}, "evaluations": ["clean", "timesteps"]}


def planned(suite: dict[str, Any] = SUITE) -> Plan:
    spec = parse_suite(suite)
    return make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))


def left_by(cell: Cell, seconds: float, failed: bool = False) -> Record:
    failure = Failure(type="E", message="m", traceback="", is_users=False) if failed else None
    return Record(
        key="0" * 64,
        kind="train",
        status="failed" if failed else "done",
        suite="tiny",
        model="direct",
        identity=cell.identity,
        seed=0,
        timesteps=2,
        parameters=1,
        failure=failure,
        provenance=PROVENANCE.model_copy(update={"wall_seconds": seconds}),
    )


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plan() -> Plan:
    return planned()


@pytest.fixture
def outlook(plan: Plan, tmp_path: Path, clock: Clock) -> Outlook:
    store = Store(tmp_path)
    return Outlook(plan, standing(plan, store), store, "cpu", clock=clock)


def test_an_estimate_follows_epochs_and_finished_cells(outlook: Outlook, plan: Plan, clock: Clock) -> None:
    first, second = plan.train
    assert outlook.forecast() == Forecast(0.0, 6)
    outlook.begins(first)
    outlook.trained(first, 1, 4, 30.0)
    assert outlook.forecast() == Forecast(30.0 + 40.0, 4), "30 s of this training, 40 s of the other"
    clock.now += 10
    assert outlook.forecast() == Forecast(20.0 + 40.0, 4)
    outlook.finished(first, left_by(first, 50.0))
    assert (outlook.done, outlook.total) == (1, 6)
    assert outlook.forecast() == Forecast(50.0, 4)
    clean = plan.evaluations_of(first)[0]
    outlook.begins(clean)
    outlook.finished(clean, left_by(clean, 2.0))
    assert outlook.forecast() == Forecast(50.0 + 2.0, 2)
    outlook.begins(second)
    clock.now += 15
    assert outlook.forecast() == Forecast(35.0 + 2.0, 2)


def test_evaluations_of_a_failed_training_are_waited_for_no_more(outlook: Outlook, plan: Plan) -> None:
    outlook.begins(plan.train[0])
    outlook.finished(plan.train[0], left_by(plan.train[0], 9.0, failed=True))
    assert (outlook.done, outlook.total) == (1, 4)
    assert outlook.forecast() == Forecast(0.0, 3), "a failure says nothing about time"


def test_cells_of_earlier_runs_are_counted_and_learnt_from(tmp_path: Path) -> None:
    store, small = Store(tmp_path), planned(SUITE | {"seeds": [0]})
    done = list(run_cells(Session(small, store, RunSettings())))
    large = planned()
    standings = standing(large, store)
    assert counted(standings) == Counts(done=3, failed=0, left=3)
    assert [one.key is None for one in standings] == [False, False, False, False, True, True]
    outlook = Outlook(large, standings, store, "cpu")
    assert (outlook.done, outlook.total) == (3, 6)
    found = outlook.forecast()
    assert found.unknown == 0
    history = done[0][1].details["history"]
    seconds = [max(record.provenance.wall_seconds, 0.0) for _, record in done]
    seconds[0] = max(seconds[0], sum(epoch["seconds"] for epoch in history))
    assert found.seconds == pytest.approx(sum(seconds)), "the other seed is expected to take as long"
    again = Outlook(large, standings, store, "cpu", fresh=True)
    assert again.counts == Counts(0, 0, 6)
    assert again.done == 0


def test_the_state_of_a_cell_is_that_of_the_store(plan: Plan, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_failure(left_by(plan.train[1], 1.0, failed=True).model_copy(update={"key": key_of(plan.train[1])}))
    standings = standing(plan, store)
    assert [one.state for one in standings] == ["left", "left", "left", "failed", "left", "left"]
    assert counted(standings) == Counts(done=0, failed=1, left=5)


def test_an_estimate_stands_for_twenty_times_as_long_as_it_took(tmp_path: Path) -> None:
    plan, store = planned(), Store(tmp_path)
    ticks = iter(range(1000))
    outlook = Outlook(plan, standing(plan, store), store, "cpu", clock=lambda: float(next(ticks)))
    first = outlook.forecast()  # from tick 0 to tick 1
    assert all(outlook.forecast() is first for _ in range(18))
    assert outlook.forecast() is not first
