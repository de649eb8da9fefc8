"""An evaluation that is killed goes on after the last long step, and finds what it would have found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.cascade import Cascade, Stage
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.errors import Stopped
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.evaluation.journal import Journal, Step
from robustbench_snn.execution import RunSettings, journal
from robustbench_snn.execution.journal import FileJournal
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry import evaluations
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.store import Store
from robustbench_snn.testing.subject import samples_for, small_target
from tests.tiny_suite import TINY

CASES: list[tuple[str, Mapping[str, Any]]] = [
    ("snn_standard", {"eps": 0.02, "tier": "fast", "keep_images": 4}),
    ("epsilon_curve", {"eps": [0.005, 0.02], "tier": "quick"}),
    ("graz_ensemble", {"eps": 0.01, "steps": 1}),
]


class Stages:
    """Counts the stages that are run, and ends the program before one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.run, self.end = 0, 0
        own = Cascade._attack

        def attack(cascade: Cascade, stage: Stage) -> Step:
            self.run += 1
            if self.run == self.end:
                raise Stopped(15)
            return own(cascade, stage)

        patch.setattr(Cascade, "_attack", attack)


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    monkeypatch.setattr(journal, "WORTH_KEEPING", 0.0)
    return Stages(monkeypatch)


def found(name: str, parameters: Mapping[str, Any], folder: Path | None, *, seed: int = 0) -> tuple[Outcome, int]:
    """What an evaluation finds, and how many answers were not finite."""
    target = small_target(seed=seed)
    steps = Journal() if folder is None else FileJournal(folder)
    evaluation: Evaluation = evaluations.create(name, **parameters)
    outcome = evaluation.run(Subject(target, samples_for(target, 12), batch_size=8, journal=steps))
    return outcome, target.non_finite


def assert_same(one: Outcome, other: Outcome) -> None:
    assert dict(one.metrics) == dict(other.metrics)
    assert (one.details, one.flags) == (other.details, other.flags)
    for mine, theirs in ((one.columns, other.columns), (one.arrays, other.arrays)):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=[name for name, _ in CASES])
def test_a_killed_evaluation_goes_on_and_finds_the_same(
    name: str, parameters: Mapping[str, Any], stages: Stages, tmp_path: Path
) -> None:
    whole, _ = found(name, parameters, None)
    everything, stages.run, stages.end = stages.run, 0, stages.run - 1
    with pytest.raises(Stopped):
        found(name, parameters, tmp_path)
    assert len(list(tmp_path.iterdir())) == everything - 2
    stages.run, stages.end = 0, 0
    again, _ = found(name, parameters, tmp_path)
    assert stages.run == 2
    assert_same(again, whole)


def test_steps_that_were_short_are_not_kept(tmp_path: Path) -> None:
    found(*CASES[0], tmp_path / "steps")
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another radius", "of another model"])
def test_what_cannot_be_trusted_is_computed_again(damage: str, stages: Stages, tmp_path: Path) -> None:
    whole, _ = found(*CASES[0], tmp_path)
    everything, stages.run = stages.run, 0
    file = tmp_path / "step-00002.safetensors"
    content = file.read_bytes()
    if damage.startswith("of another"):
        changes = {"eps": 0.03} if damage.endswith("radius") else {}
        found("snn_standard", {**CASES[0][1], **changes}, tmp_path / "other", seed=int(not changes))
        content, stages.run = (tmp_path / "other" / file.name).read_bytes(), 0
    broken = {"cut": content[:-9], "flipped": content[:-1] + bytes([content[-1] ^ 1]), "empty": b""}
    file.write_bytes(broken.get(damage, content))
    again, _ = found(*CASES[0], tmp_path)
    assert stages.run == 1 < everything
    assert_same(again, whole)


def test_answers_that_were_not_finite_are_remembered(
    stages: Stages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = Cascade._run

    def overflowing(cascade: Cascade, stage: Stage, batch: Batch) -> ActiveSet:
        cascade.subject.target.count_non_finite(3)
        return own(cascade, stage, batch)

    monkeypatch.setattr(Cascade, "_run", overflowing)
    _, expected = found(*CASES[0], None)
    everything, stages.run, stages.end = stages.run, 0, stages.run
    with pytest.raises(Stopped):
        found(*CASES[0], tmp_path)
    stages.run, stages.end = 0, 0
    assert found(*CASES[0], tmp_path)[1] == expected > 0
    assert stages.run == 1 < everything


def test_a_run_keeps_steps_until_the_record_is_written(stages: Stages, tmp_path: Path) -> None:
    suite = parse_suite(TINY | {"evaluations": [{"snn_standard": {"eps": 0.02, "tier": "fast"}}]})
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))

    def session(folder: str) -> Session:
        return Session(plan, Store(tmp_path / folder), RunSettings())

    reference, run = session("whole"), session("killed")
    (cell,) = plan.evaluate
    for one in (reference, run):
        for training in plan.train:
            assert one.compute(training).status == "done"
    expected, stages.run, stages.end = reference.compute(cell), 0, 3
    with pytest.raises(Stopped):
        run.compute(cell)
    key = expected.key
    assert [file.name for file in sorted(run.store.work_path(key).iterdir())] == [
        "step-00001.safetensors",
        "step-00002.safetensors",
    ]
    stages.end = 0
    again = session("killed").compute(cell)
    assert (again.key, again.metrics, again.details) == (key, expected.metrics, expected.details)
    assert again.files == expected.files, "the outcomes of single samples have the same sha256"
    assert not run.store.work_path(key).exists()
    assert not reference.store.work_path(key).exists()
    assert key_of(plan.train[0]) != key
