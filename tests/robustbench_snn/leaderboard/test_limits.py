"""Evaluations on the first test samples alone: keys, numbers, verification, extension, reproduction."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.exchange.onto import complete_suite, plan_onto
from robustbench_snn.exchange.published import read_version
from robustbench_snn.exchange.reproduction import reproduce
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard import release
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.pages.markdown import render_markdown
from robustbench_snn.leaderboard.pairwise.comparing import compare_evidence
from robustbench_snn.leaderboard.pairwise.loading import load_evidence
from robustbench_snn.leaderboard.pairwise.showing import to_markdown
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.keys import written
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry.spec import evaluation_spec
from robustbench_snn.spec.files import parse_suite
from tests.robustbench_snn.leaderboard.conftest import Place
from tests.tiny_suite import TINY

LIMITED: dict[str, Any] = TINY | {
    "evaluations": ["clean", {"fgsm": {"eps": 0.1, "limit": 8}}],
    "models": [{"name": name, "encoder": name} for name in ("direct", "ttfs")],
    "table": {"baseline": "direct", "weights": True},
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("limited")
    place = Place(folder / "runs", folder / "results")
    assert place.run(LIMITED, mode="publish").released.status == "published"
    return place


def plan_of(values: dict[str, Any]) -> Any:
    suite = parse_suite(values, "suite.yaml")
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


def test_a_limit_is_written_and_read_back_in_each_form() -> None:
    for form in ({"fgsm": {"eps": 0.1, "limit": 8}}, {"name": "fgsm", "eps": 0.1, "limit": 8}):
        found = evaluation_spec(form)
        assert (found.limit, dict(found.parameters)) == (8, {"eps": 0.1})
        assert evaluation_spec(found.model_dump(mode="json")) == found
    with pytest.raises(UserError, match="limit is how many test samples"):
        evaluation_spec({"fgsm": {"limit": 0}})
    with pytest.raises(UserError, match="limit"):
        parse_suite(LIMITED | {"evaluations": [{"fgsm": {"eps": 0.1, "limit": "few"}}]}, "suite.yaml")


def test_its_cells_are_those_of_a_smaller_test_set() -> None:
    limited = plan_of(LIMITED)
    small = plan_of(LIMITED | {"dataset": LIMITED["dataset"] | {"limit": 8}, "evaluations": [{"fgsm": {"eps": 0.1}}]})
    found = [cell.identity for cell in limited.evaluate if cell.entry == 1]
    assert found == [cell.identity for cell in small.evaluate]
    assert [len(limited.samples_of(cell)) for cell in limited.evaluate] == [20, 8] * 2
    whole = plan_of(LIMITED | {"evaluations": ["clean", {"fgsm": {"eps": 0.1}}]})
    assert "subsets" not in whole.protocol
    assert whole.protocol_hash != limited.protocol_hash


def test_numbers_are_of_these_samples_and_the_table_verifies(limited: Place) -> None:
    version = limited.results / "tiny" / "v1.0"
    outcomes = read_outcomes(version / "samples.parquet")
    published = read_version(version)
    assert len(outcomes.samples) == 20
    for row in published.table.rows:
        score = row.cells["fgsm"]
        assert (row.cells["clean"].samples, score.samples) == (20, 8)
        assert score.accuracy == pytest.approx(np.mean(outcomes.by_seed[row.model, "fgsm"][0]))
        assert score.against is None or score.against.samples == 8
    assert [str(finding) for found in verify(limited.results) for finding in found.findings] == []
    assert "fgsm: on the first n = 8 of these samples" in render_markdown(published.table, "v1.0")


def test_records_of_other_samples_are_found(limited: Place, tmp_path: Path) -> None:
    shutil.copytree(limited.results, tmp_path / "results")
    path = tmp_path / "results" / "tiny" / "v1.0" / "table.json"
    table = json.loads(path.read_text())
    table["protocol"]["subsets"]["8"] = "0" * 64
    path.write_text(json.dumps(table))
    found = [str(finding) for one in verify(tmp_path / "results") for finding in one.findings]
    assert any("samples" in finding and "fgsm" in finding for finding in found)


def test_other_components_keep_a_parameter_of_that_name() -> None:
    found = written({"name": "net", "version": 1, "parameters": {"limit": 3}})
    assert (dict(found.parameters), found.limit) == ({"limit": 3}, None)


def test_no_evaluation_has_a_limit_of_its_own() -> None:
    class Own(Evaluation):
        """Has a parameter that a suite file could not reach."""

        limit: int = 1

        def run(self, subject: Subject) -> Outcome:
            raise AssertionError

    with pytest.raises(UserError, match="call the parameter limit otherwise"):
        register_evaluation("own", version=1)(Own)


def test_a_limited_cell_is_reproduced_and_compared(limited: Place, tmp_path: Path) -> None:
    published = read_version(limited.results / "tiny" / "v1.0")
    key = published.table.rows[0].cells["fgsm"].records[0]
    assert reproduce(published, published.records[key], tmp_path, RunSettings()).verdict == "equal"
    ours, theirs = (
        load_evidence(f"tiny:{model}", results=limited.results, store=limited.store) for model in ("ttfs", "direct")
    )
    found = compare_evidence(ours, theirs)
    assert [row.comparison.samples for row in found.rows] == [20, 8]
    assert "20 samples of digits (fgsm on 8 of them)" in to_markdown(found)


def test_a_table_with_limits_is_extended(limited: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "doubts", lambda records: [])
    published = read_version(limited.results / "tiny" / "v1.0")
    spec = complete_suite({"name": "mine", "models": [{"name": "mine", "encoder": "rate"}]}, "mine.yaml", published)
    plan = plan_onto(spec, published, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    assert plan.protocol_hash == published.table.protocol_hash
    results = tmp_path / "results"
    run_plan(plan, tmp_path / "runs", results, RunSettings(), base=published.base(), mode="publish")
    whole = read_version(results / "tiny" / "v1.1").table
    assert [row.cells["fgsm"].samples for row in whole.rows] == [8, 8, 8]
    assert [str(finding) for found in verify(results) for finding in found.findings] == []
