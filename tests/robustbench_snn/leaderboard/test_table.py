"""The table against its records, joined by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.leaderboard.comparison import compare
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.pages import render_markdown
from robustbench_snn.leaderboard.pages.grid import accuracy_columns, measures
from robustbench_snn.leaderboard.spread import spread
from robustbench_snn.leaderboard.statistics import adjust
from robustbench_snn.leaderboard.table import Against, Row, Table
from robustbench_snn.plan.cells import Cell, TrainCell
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
    "evaluations": [
        "clean",
        {"timesteps": {"timesteps": [1]}},
        {"corruptions": {"types": ["contrast", "fog"], "severities": [1, 5]}},
    ],
    "table": {"baseline": "direct"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    suite = parse_suite(SUITE)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    store = Store(tmp_path_factory.mktemp("store"))
    done = list(run_cells(Session(plan, store, RunSettings())))
    return store, done, *make_table(plan, done, store)


def records_of(done: list[tuple[Cell, Record]], model: str, evaluation: str) -> list[Record]:
    return [
        record
        for cell, record in done
        if record.kind == "evaluate" and record.model == model and record.identity["evaluation"]["name"] == evaluation
    ]


def test_a_score_is_the_mean_over_seeds_with_its_spread_and_interval(run: Run) -> None:
    _, done, table, outcomes = run
    for row in table.rows:
        accuracies = [record.metrics["accuracy"] for record in records_of(done, row.model, "clean")]
        cell, found = row.cells["clean"], spread(outcomes.of((row.model, "clean")))
        assert len(accuracies) == cell.seeds == 2
        assert cell.accuracy == pytest.approx(np.mean(accuracies))
        assert cell.sd == pytest.approx(np.std(accuracies, ddof=1))
        assert (cell.low, cell.high) == (found.interval.low, found.interval.high)
        assert row.seeds == (0, 1)


def test_parts_of_an_evaluation_are_joined_and_seeds_kept_apart(run: Run) -> None:
    store, done, table, outcomes = run
    for row in table.rows:
        records = records_of(done, row.model, "corruptions")
        assert len(records) == 4  # two types, two seeds
        for seed in (0, 1):
            parts = [store.samples(record.key)["correct"] for record in records if record.seed == seed]
            assert outcomes.by_seed[row.model, "corruptions"][seed] == pytest.approx(np.mean(parts, axis=0))
        assert row.cells["corruptions"].accuracy == pytest.approx(outcomes.of((row.model, "corruptions")).mean())
        assert set(row.cells["corruptions"].records) == {record.key for record in records}


def test_the_others_are_compared_with_the_baseline_over_seeds_and_samples(run: Run) -> None:
    _, _, table, outcomes = run
    baseline, other = table.rows
    assert all(cell.against is None for cell in baseline.cells.values())
    p_values = {}
    for label, cell in other.cells.items():
        if label == "timesteps":
            assert cell.against is None  # the column clean says it
            continue
        found = compare(outcomes.of((other.model, label)), outcomes.of((baseline.model, label)))
        assert cell.against is not None
        assert cell.against.comparison() == found
        assert (found.scope, found.seeds) == ("methods", (2, 2))
        p_values[label] = found.p_value
    corrected = dict(zip(p_values, adjust(list(p_values.values()), "holm"), strict=True))
    assert {label: against_of(other, label).adjusted_p_value for label in p_values} == corrected


def against_of(row: Row, label: str) -> Against:
    found = row.cells[label].against
    assert found is not None
    return found


def test_timesteps_have_no_second_column_of_clean_accuracy(run: Run) -> None:
    table = run[2]
    assert table.repeats == ("timesteps",)
    assert accuracy_columns(table) == ["clean", "corruptions"]
    besides = measures(table)
    assert besides is not None
    assert "timesteps: at the T of training %" in besides.headings
    for row, texts in zip(table.rows, besides.rows, strict=True):
        shown = texts[besides.headings.index("timesteps: at the T of training %")]
        assert shown.startswith(f"{100 * (row.cells['clean'].accuracy or 0):.1f} (sd ")
        assert row.cells["timesteps"].rank is None


def test_a_row_that_lacks_a_seed_or_a_condition_has_no_mean_and_no_comparison(run: Run) -> None:
    store, done, whole, _ = run
    lost = records_of(done, "sigma_delta", "corruptions")[-1]
    assert lost.seed == 1
    suite = parse_suite(SUITE)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    by_identity = {(cell.title, cell.train.seed): cell for cell in plan.evaluate}
    trains = {cell.title: cell for cell in plan.train}
    there: list[tuple[Cell, Record]] = [
        (trains[cell.title] if isinstance(cell, TrainCell) else by_identity[cell.title, cell.train.seed], record)
        for cell, record in done
        if record.key != lost.key
    ]
    table, outcomes = make_table(plan, there, store)
    row = table.rows[1]
    gap = row.gaps["corruptions"]
    assert (gap.complete, gap.wanted, gap.lacks) == (1, 2, "seed 1: fog")
    assert "corruptions" not in row.cells
    assert ("sigma_delta", "corruptions") not in outcomes.by_seed
    assert against_of(row, "clean").adjusted_p_value == against_of(row, "clean").p_value  # the only comparison left
    assert table.rows[0].cells["corruptions"].rank is None
    page = render_markdown(table, "v1.0")
    assert "1 of 2 seeds" in page
    assert "sigma_delta, corruptions: 1 of 2 seeds are complete; missing: seed 1: fog." in page
    assert whole.rows[1].gaps == {}


def test_swapped_labels_are_another_protocol() -> None:
    def protocol(first: str, second: str) -> str:
        evaluations = [{"fgsm": {"eps": "8/255", "label": first}}, {"fgsm": {"eps": "1/255", "label": second}}]
        suite = parse_suite(SUITE | {"evaluations": evaluations})
        return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters)).protocol_hash

    assert protocol("strong", "weak") != protocol("weak", "strong")
    assert protocol("strong", "weak") == protocol("strong", "weak")


def test_a_list_of_eps_is_told_apart_in_grey_levels() -> None:
    suite = parse_suite(SUITE | {"evaluations": [{"fgsm": {"eps": ["2/255", "8/255", 0.05]}}]})
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    assert [cell.detail for cell in plan.evaluate[:3]] == ["2/255", "8/255", "0.05"]


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
