"""One model, several processes under torchrun: killed and gone on with, the same weights; and why it ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import StoreError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.training import Blueprint, Recipe, TrainingError, TrainResult, train, train_distributed
from robustbench_snn.training.distributed import _failure
from robustbench_snn.training.job import Job, write_error
from robustbench_snn.training.ranks import Ranks
from robustbench_snn.weights.tensors import tensor_digest

BLUEPRINT = Blueprint.model_validate({
    "encoder": "rate",
    "backbone": {"spikformer": {"depth": 1, "width": 32, "heads": 2, "pooling": "1100"}},
    "timesteps": 2,
    "dataset": {"digits": {"train_limit": 96}},
})  # fmt: skip
RECIPE = Recipe(epochs=10, batch_size=32, accumulate=2, lr=0.01, horizontal_flip=0.5, processes=2)


def started(folder: Path, word: str) -> list[int]:
    """Process ids of those whose environment names a folder's training, by a word of their command lines."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode()
            marked = f"RBSNN_MARK={folder}" in (place / "environ").read_bytes().decode()
        except OSError:
            continue
        if marked and word in command:
            found.append(int(place.name))
    return found


class Killer:
    """Kills the second process after an epoch from the third on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def batch(self, *values: float) -> None:
        pass

    def epoch(self, epoch: int, *values: float) -> None:
        if epoch >= 3:
            for pid in started(self.folder, "training.rank"):
                if "RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0"):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
def test_killed_and_gone_on_with(in_two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBSNN_MARK", str(tmp_path))
    data, folder = load_dataset("digits", train_limit=96), tmp_path / "checkpoints"

    def fresh() -> Classifier:
        torch.manual_seed(0)
        return BLUEPRINT.classifier(data)

    def trained(progress: Any = None) -> tuple[Classifier, TrainResult]:
        facts: dict[str, Any] = {"seed": 3, "checkpoint_dir": folder, "progress": progress}
        model = fresh()
        return model, train_distributed(model, data, RECIPE, blueprint=BLUEPRINT, **facts)

    def whole(rank: int) -> str:
        model = fresh()
        train(model, data, RECIPE, seed=3, ranks=Ranks(rank, 2))
        return tensor_digest(model.state_dict())

    parent = multiprocessing.get_context("fork").Process(target=trained)
    parent.start()
    while not list(folder.glob("epoch-*.safetensors")):
        assert parent.is_alive()
        time.sleep(0.05)
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 120
    while (left := started(tmp_path, "training")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    with pytest.raises(TrainingError, match=r"process 1 of 2 .* was killed \(SIGKILL\), and the others were stopped"):
        trained(Killer(tmp_path))
    assert not started(tmp_path, "training")
    model, result = trained()
    assert 3 <= result.resumed_from < RECIPE.epochs
    assert [record.epoch for record in result.history] == list(range(1, RECIPE.epochs + 1))
    assert in_two(whole) == [tensor_digest(model.state_dict())] * 2


@pytest.mark.slow
def test_a_process_that_would_abort_at_its_exit_has_done_its_part(tmp_path: Path) -> None:
    (plugin := tmp_path / "aborts.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    blueprint = BLUEPRINT.model_copy(update={"plugins": (str(plugin),)})
    data, recipe = load_dataset("digits", train_limit=96), RECIPE.model_copy(update={"epochs": 1})
    result = train_distributed(blueprint.classifier(data), data, recipe, blueprint=blueprint, seed=3)
    assert [record.epoch for record in result.history] == [1]


def test_a_job_is_read_as_it_was_written() -> None:
    facts: dict[str, Any] = {"seed": 3, "key": "k", "device": "cpu", "checkpoint_dir": None, "compile": "auto"}
    job = Job(blueprint=BLUEPRINT, recipe=RECIPE, timeout=5.0, parent=1, **facts)
    assert Job.model_validate_json(job.model_dump_json()) == job
    assert job.blueprint.dataset.parameters == {"train_limit": 96}


def test_the_error_that_is_told(tmp_path: Path) -> None:
    def told() -> Exception:
        return _failure(tmp_path, 1, 2)

    (tmp_path / "log.txt").write_text("one\ntwo\nthree\nno address\n")
    assert str(told()).startswith("torchrun ended with exit code 1: two / three / no address; run it again")
    write_error(tmp_path, 0, RuntimeError("connection closed"), "Traceback of 0")
    assert "process 0 of 2 of the training failed: RuntimeError: connection closed; run it again" in str(told())
    assert told().__notes__ == ["Traceback of 0"]
    write_error(tmp_path, 1, StoreError("disk full"), "Traceback of 1")
    assert (type(told()), str(told())) == (StoreError, "disk full")
    (tmp_path / "failure.json").write_text(json.dumps({"0": -signal.SIGTERM, "1": 1}))
    assert str(told()) == "disk full"
    (tmp_path / "failure.json").write_text(json.dumps({"0": -signal.SIGKILL}))
    assert "process 0 of 2 of the training was killed (SIGKILL)" in str(told())
    write_error(tmp_path, 1, RuntimeError("Timed out waiting 5000ms for recv"), "Traceback of 1")
    assert "process 1 of 2 of the training lost patience with the others: RuntimeError: Timed out" in str(told())
