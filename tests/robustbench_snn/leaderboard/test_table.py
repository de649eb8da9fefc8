"""The table against its records, joined by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_here
from robustbench_snn.execution.session import Session
from robustbench_snn.leaderboard.aggregation import Outcomes, make_table
from robustbench_snn.leaderboard.statistics import compare, wilson
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

Run = tuple[Store, list[tuple[Cell, Record]], Table, Outcomes]

SUITE = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 30, "train_limit": 96},
    "timesteps": 2,
    "seeds": [0, 1],
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0110"}},
    "recipe": {"epochs": 3, "lr": 4e-3, "batch_size": 16},
    "grid": {"encoders": ["direct", "sigma_delta"]},
    "evaluations": ["clean", {"corruptions": {"types": ["contrast", "fog"], "severities": [1, 5]}}],
    "table": {"baseline": "direct"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    suite = parse_suite(SUITE)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    store = Store(tmp_path_factory.mktemp("store"))
    done = list(run_here(Session(plan, store, RunSettings())))
    return store, done, *make_table(plan, done, store)


def records_of(done: list[tuple[Cell, Record]], model: str, evaluation: str) -> list[Record]:
    return [
        record
        for cell, record in done
        if record.kind == "evaluate" and record.model == model and record.identity["evaluation"]["name"] == evaluation
    ]


def test_a_score_is_the_mean_over_seeds_with_its_spread_and_interval(run: Run) -> None:
    _, done, table, _ = run
    for row in table.rows:
        accuracies = [record.metrics["accuracy"] for record in records_of(done, row.model, "clean")]
        cell = row.cells["clean"]
        assert len(accuracies) == 2
        assert cell.accuracy == pytest.approx(np.mean(accuracies))
        assert cell.spread == pytest.approx(np.std(accuracies, ddof=1))
        assert cell.half_width == pytest.approx(wilson(float(np.mean(accuracies)), 30).half_width)
        assert row.seeds == (0, 1)


def test_parts_of_an_evaluation_are_joined(run: Run) -> None:
    store, done, table, outcomes = run
    for row in table.rows:
        parts = records_of(done, row.model, "corruptions")
        assert len(parts) == 4  # two types, two seeds
        shares = np.mean([store.samples(record.key)["correct"] for record in parts], axis=0)
        assert outcomes[row.model, "corruptions"] == pytest.approx(shares)
        assert row.cells["corruptions"].accuracy == pytest.approx(shares.mean(), abs=1e-6)
        assert set(row.cells["corruptions"].records) == {record.key for record in parts}


def test_the_others_are_compared_with_the_baseline_on_the_same_samples(run: Run) -> None:
    _, _, table, outcomes = run
    baseline, other = table.rows
    assert all(cell.against is None for cell in baseline.cells.values())
    for label, cell in other.cells.items():
        found = compare(outcomes[other.model, label], outcomes[baseline.model, label])
        assert cell.against is not None
        assert cell.against.difference == pytest.approx(found.difference)
        assert cell.against.p_value == found.p_value
        assert cell.against.adjusted_p_value >= found.p_value


def test_the_protocol_is_data_samples_evaluations_and_seed_but_no_model(run: Run) -> None:
    table = run[2]

    def protocol(**changes: Any) -> str:
        suite = parse_suite(SUITE | changes)
        return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters)).protocol_hash

    same: dict[str, Any] = {"models": [{"name": "x", "encoder": "rate"}], "grid": None, "seeds": [5], "table": {}}
    assert protocol(**same) == table.protocol_hash
    assert protocol(evaluation_seed=1) != table.protocol_hash
    assert protocol(evaluations=["clean"]) != table.protocol_hash
    assert protocol(dataset={"name": "digits", "limit": 29, "train_limit": 96}) != table.protocol_hash
