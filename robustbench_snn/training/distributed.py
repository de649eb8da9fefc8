"""One model trained by several processes, each on a GPU of its own or, with gloo, on the CPU."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from robustbench_snn.dataset import Dataset
from robustbench_snn.errors import StoreError
from robustbench_snn.kernels.compiling import mode
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.training import launcher
from robustbench_snn.training.job import INITIAL, KINDS, TRAINED, Blueprint, Job, read_errors
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import EpochRecord, TrainingError, TrainingProgress, TrainResult
from robustbench_snn.training.trainer import check_trainable, training_key
from robustbench_snn.weights.loading import load_weights
from robustbench_snn.weights.tensors import save_weights

TIMEOUT = 600.0
"""Seconds that a process waits for the others by default: above the longest pause of one of them, a checkpoint."""

_LOG = "log.txt"
_AGAIN = "run it again to go on from the last checkpoint"


def train_distributed(
    classifier: Classifier,
    dataset: Dataset,
    recipe: Recipe,
    *,
    blueprint: Blueprint,
    seed: int,
    device: str = "cpu",
    checkpoint_dir: Path | None = None,
    progress: TrainingProgress | None = None,
    timeout: float = TIMEOUT,
) -> TrainResult:
    """Trains a classifier in place, in ``recipe.processes`` processes of this machine, and leaves it in eval mode.

    As :func:`robustbench_snn.training.train` in one process, but for the last bits of the weights; checkpoints are
    kept, and gone on from, likewise. The processes are torchrun's. When one fails the others are ended; when this one
    ends, so do they.

    Args:
        classifier: the model; its initial weights are the caller's.
        dataset: as the blueprint makes it.
        recipe: its ``processes`` are how many.
        blueprint: how each process makes model and data anew.
        seed: seed of the order of images, augmentation and stochastic encoders.
        device: ``cpu``, or ``cuda`` for the GPUs 0 to ``processes`` - 1.
        checkpoint_dir: where to keep the checkpoint of every epoch; None for none.
        progress: told of epochs and, every half second, of batches.
        timeout: seconds that a process waits for the others before it takes one for lost.

    Raises:
        TrainingError: if the loss is not finite, memory runs out, or a process is killed, fails or hangs.
        UserError: if the recipe cannot be run on this device or this dataset.
        StoreError: if the checkpoints are of another training, damaged, or cannot be written.
    """
    check_trainable(dataset, recipe, device)
    job = Job(
        blueprint=blueprint,
        recipe=recipe,
        seed=seed,
        key=training_key(classifier, dataset, recipe, seed),
        device="cuda" if torch.device(device).type == "cuda" else "cpu",
        checkpoint_dir=None if checkpoint_dir is None else os.path.abspath(checkpoint_dir),
        compile=mode(),
        timeout=timeout,
        parent=os.getpid(),
    )
    with _folder(checkpoint_dir) as place:
        folder = Path(place)
        save_weights(classifier, folder / INITIAL)
        (folder / launcher.JOB).write_text(job.model_dump_json(), encoding="utf-8")
        code = _run(folder, progress)
        if code:
            raise _failure(folder, code, recipe.processes)
        facts = load_weights(classifier, folder / TRAINED)
    classifier.eval()
    history = tuple(EpochRecord(**record) for record in facts["history"])
    seconds, images = sum(record.seconds for record in history), sum(record.images for record in history)
    return TrainResult(history, facts["resumed_from"], seconds, images / seconds if seconds else math.nan)


def _folder(checkpoint_dir: Path | None) -> TemporaryDirectory[str]:
    """A folder for a job: beside the checkpoints, with which it goes away even if this process is killed.

    Raises:
        StoreError: if it cannot be made.
    """
    try:
        if checkpoint_dir is not None:
            checkpoint_dir.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix="launch-", dir=checkpoint_dir)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename}: {error.strerror or error}") from error


def _run(folder: Path, progress: TrainingProgress | None) -> int:
    """Starts the launcher and listens until it ends; its exit code."""
    path = os.pathsep.join(place for place in sys.path if place)  # what is importable here is there
    with (folder / _LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", launcher.__file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is this process's to handle
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if progress is not None:
                _tell(line, progress)
        return process.wait()
    finally:
        process.terminate()
        try:
            process.wait(3 * launcher.SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _tell(line: str, progress: TrainingProgress) -> None:
    try:
        found = json.loads(line)
    except ValueError:
        return  # some library's
    if isinstance(found, dict):
        if values := found.get("batch"):
            progress.batch(*values)
        elif values := found.get("epoch"):
            progress.epoch(*values)


def _failure(folder: Path, code: int, processes: int) -> Exception:
    """What ended a training: a process that hung or was killed, else what a user can mend, else the first error."""
    told = folder / launcher.FAILURE
    ended = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    errors = read_errors(folder)
    for rank, error in errors.items():
        if error["kind"] is None and "timed out" in error["message"].lower():  # torchrun then kills the one that hung
            return _with_trace(f"process {rank} of {processes} of the training lost patience with the others", error)
    killed = {int(rank): -code for rank, code in ended.items() if code < 0 and code != -signal.SIGTERM}
    for rank, number in killed.items():
        return TrainingError(
            f"process {rank} of {processes} of the training was killed ({signal.Signals(number).name}), and the others "
            f"were stopped; {_AGAIN}"
        )
    kinds = {kind.__name__: kind for kind in KINDS}
    for error in errors.values():
        if error["kind"] in kinds:
            return kinds[error["kind"]](error["message"])
    for rank, error in errors.items():
        return _with_trace(f"process {rank} of {processes} of the training failed", error)
    last = deque((folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines(), 3)
    return TrainingError(f"torchrun ended with exit code {code}: {' / '.join(last) or 'no message'}; {_AGAIN}")


def _with_trace(what: str, error: Mapping[str, Any]) -> TrainingError:
    found = TrainingError(f"{what}: {error['message']}; {_AGAIN}")
    found.add_note(error["trace"])
    return found
