"""A suite may train a model in several processes: it is another cell, of the same mathematics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.tiny_suite import TINY


def left_by(folder: Path, **recipe: Any) -> list[Record]:
    suite = parse_suite(TINY | {"recipe": {"epochs": 1, "batch_size": 32, **recipe}})
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    return [record for _, record in run_cells(Session(plan, Store(folder), RunSettings()))]


@pytest.mark.slow
def test_a_suite_trains_in_two_processes(tmp_path: Path) -> None:
    training, evaluation = left_by(tmp_path, processes=2)
    assert [training.status, evaluation.status] == ["done", "done"], training.failure
    alone, _ = left_by(tmp_path)
    assert training.key != alone.key
    here, there = training.details["history"][0], alone.details["history"][0]
    assert here["images"] == there["images"]
    assert here["loss"] == pytest.approx(there["loss"], rel=1e-4), "two steps: rounding has not moved a spike yet"
    assert not list((tmp_path / "work").iterdir())
