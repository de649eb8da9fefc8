"""What worker processes report arrives, in order, in the process that started them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.tiny_suite import TINY

SUITE = TINY | {"seeds": [0, 1], "recipe": {"epochs": 2, "batch_size": 32}}


class Watch:
    """Writes down what it is told of each cell."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = {}

    def _note(self, cell: Cell, *what: Any) -> None:
        self.told.setdefault(cell.title, []).append(what)

    def training(self, cell: TrainCell) -> Any:
        self._note(cell, "training")
        watch = self

        class Training:
            def batch(self, *values: float) -> None:
                """How many there are depends on the time they take."""

            def epoch(self, epoch: int, epochs: int, loss: float, *rest: float) -> None:
                watch._note(cell, "epoch", epoch, epochs, loss)

        return Training()

    def evaluating(self, cell: EvaluateCell) -> Callable[[int, int], None]:
        self._note(cell, "evaluating")
        return lambda done, total: None

    def waiting(self, cell: Cell, owner: str) -> None:
        self._note(cell, "waiting", owner)

    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        self._note(cell, "finished", record.key, cached)


def planned() -> Plan:
    spec = parse_suite(SUITE)
    return make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))


def test_workers_tell_what_one_process_tells(tmp_path: Path) -> None:
    here, there = Watch(), Watch()
    list(run_cells(Session(planned(), Store(tmp_path / "a"), RunSettings(), here)))
    session = Session(planned(), Store(tmp_path / "b"), RunSettings(jobs=2), there)
    list(run_cells(session))
    assert there.told == here.told
    assert len(here.told) == 4
    for title, events in here.told.items():
        began = [("training",), ("epoch", 1, 2), ("epoch", 2, 2)] if title.startswith("train") else [("evaluating",)]
        assert [event[:3] for event in events[:-1]] == began
        assert events[-1][::2] == ("finished", False)


class Breaks(Watch):
    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        raise OSError("the disk of the log is full")


def test_an_error_of_the_watcher_ends_the_run_and_its_workers(tmp_path: Path) -> None:
    session = Session(planned(), Store(tmp_path), RunSettings(jobs=2), Breaks())
    with pytest.raises(OSError, match="disk of the log"):
        list(run_cells(session))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_another_run_computes_comes_last(tmp_path: Path, jobs: int) -> None:
    plan, store = planned(), Store(tmp_path)
    found = store.claim(key_of(plan.train[0]))
    assert found is not None
    claim = found
    finished: list[str] = []

    class Watching(Watch):
        def finished(self, cell: Cell, record: Record, cached: bool) -> None:
            super().finished(cell, record, cached)
            finished.append(cell.title)
            if len(finished) == 2:
                claim.release()

    watch = Watching()
    list(run_cells(Session(plan, store, RunSettings(jobs=jobs), watch)))
    assert finished == [
        "train direct, seed 1",
        "clean on direct, seed 1",
        "train direct, seed 0",
        "clean on direct, seed 0",
    ]
    ((_, owner),) = [event for event in watch.told["train direct, seed 0"] if event[0] == "waiting"]
    assert owner.startswith(f"process {os.getpid()} on ")
