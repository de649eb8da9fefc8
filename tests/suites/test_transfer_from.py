"""Transfer between the models of a suite, planned and run as a suite is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

torch.set_num_threads(1)


def session(folder: Path, sources: list[str], second_epochs: int = 1, third: bool = False) -> Session:
    recipe = {"epochs": 1, "lr": 4e-3, "batch_size": 16}
    suite = parse_suite(
        {
            "name": "pair",
            "dataset": {"name": "digits", "limit": 16, "train_limit": 64},
            "timesteps": 2,
            "backbone": {"spikformer": {"depth": 1, "width": 32, "heads": 2, "pooling": "0100"}},
            "models": [
                {"name": "first", "encoder": "direct", "recipe": recipe},
                {"name": "second", "encoder": "direct", "recipe": recipe | {"epochs": second_epochs}},
                *([{"name": "third", "encoder": "direct", "recipe": recipe | {"lr": 2e-3}}] if third else []),
            ],
            "evaluations": [{"snn_quick": {"eps": 0.01, "transfer_from": sources}}],
        }
    )
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    return Session(plan, Store(folder), RunSettings())


def evaluated(run: Session) -> dict[str, Record]:
    return {record.model: record for _, record in run_cells(run) if record.kind == "evaluate"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def test_a_model_that_is_trained_later_is_a_source(store: Path) -> None:
    run = session(store, ["second@0"])
    kinds = [record.kind for _, record in run_cells(run)]
    assert kinds == ["train", "train", "evaluate", "evaluate"]
    found = evaluated(run)
    stages = {name: [stage["name"] for stage in record.details["stages"]] for name, record in found.items()}
    assert stages["first"][-1] == "transfer from second@0"
    assert stages["second"] == stages["first"][:-1], "a model is not its own source"


def test_evaluations_without_sources_do_not_wait(tmp_path: Path) -> None:
    kinds = [record.kind for _, record in run_cells(session(tmp_path, []))]
    assert kinds == ["train", "evaluate", "train", "evaluate"]


def test_the_key_follows_the_source_and_nothing_else(store: Path) -> None:
    asked, alone = evaluated(session(store, ["second@0"])), evaluated(session(store, []))
    changed = session(store, ["second@0"], second_epochs=2)
    assert evaluated(changed)["first"].key != asked["first"].key
    assert evaluated(session(store, [], second_epochs=2))["first"].key == alone["first"].key


def test_a_model_that_joins_the_suite_does_not_make_the_others_be_attacked_again(store: Path) -> None:
    before = evaluated(session(store, ["second@0"]))
    after = evaluated(session(store, ["second@0"], third=True))
    assert {name: after[name].key for name in before} == {name: record.key for name, record in before.items()}
    assert after["third"].details["stages"][-1]["name"] == "transfer from second@0"


def test_checkpointing_is_no_part_of_the_key_and_changes_no_number(store: Path) -> None:
    plain = session(store, ["second@0"])
    before = evaluated(plain)["first"]
    less = Session(plan=plain.plan, store=plain.store, settings=RunSettings(checkpointing=True, fresh=True))
    after = evaluated(less)["first"]
    assert after.key == before.key
    assert after.provenance.started > before.provenance.started
    assert after.metrics == before.metrics


def test_an_unknown_source_is_a_clear_failure(store: Path) -> None:
    failure = evaluated(session(store, ["secnd@0"]))["first"].failure
    assert failure is not None
    assert failure.is_users
    assert "Did you mean 'second@0'" in failure.message
