"""What the processes of one training are told, and what they leave: files in one folder, none of which is code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from robustbench_snn.dataset import Dataset
from robustbench_snn.errors import DatasetError, StoreError, UserError
from robustbench_snn.kernels.compiling import Mode
from robustbench_snn.model.building import build_classifier
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.parameters import Readout
from robustbench_snn.registry.spec import WrittenComponent
from robustbench_snn.strict import Strict
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import TrainingError

INITIAL, TRAINED = "initial.safetensors", "trained.safetensors"

KINDS: tuple[type[UserError], ...] = (TrainingError, StoreError, DatasetError, UserError)
"""Errors that stay what they are on their way to the process that asked."""


class Blueprint(Strict):
    """How every process makes the data and the model, whose initial weights it is given.

    Attributes:
        encoder: the spike encoder.
        backbone: the backbone.
        readout: logits of the steps to one answer; None takes the backbone's own.
        timesteps: T at training.
        dataset: by its registered name, with all parameters.
        plugins: paths of plug-in files to load first.
    """

    encoder: WrittenComponent
    backbone: WrittenComponent
    readout: Readout | None = None
    timesteps: int
    dataset: WrittenComponent
    plugins: tuple[str, ...] = ()

    def classifier(self, dataset: Dataset) -> Classifier:
        """The model, with whatever weights it is born with."""
        return build_classifier(self.encoder, self.backbone, dataset.task(self.timesteps), self.readout)


class Job(Strict):
    """One training of several processes.

    Attributes:
        blueprint: model and data.
        recipe: its ``processes`` are how many there are.
        seed: of the training.
        key: of the training in the process that asked, which each compares with its own.
        device: ``cpu`` (gloo) or ``cuda`` (NCCL; process r takes GPU r).
        checkpoint_dir: of the checkpoints, or None.
        compile: when the neurons' loops over time steps are compiled.
        timeout: seconds that a process waits for the others.
        parent: id of the process that asked.
    """

    blueprint: Blueprint
    recipe: Recipe
    seed: int
    key: str
    device: Literal["cpu", "cuda"]
    checkpoint_dir: str | None
    compile: Mode
    timeout: float
    parent: int


def write_error(folder: Path, rank: int, error: BaseException, trace: str) -> None:
    """Leaves what ended a process of a training."""
    kind = next((kind.__name__ for kind in KINDS if isinstance(error, kind)), None)
    text = str(error) if kind else f"{type(error).__name__}: {error}"
    facts = {"kind": kind, "message": text, "trace": trace}
    (folder / f"error-{rank}.json").write_text(json.dumps(facts), encoding="utf-8")


def read_errors(folder: Path) -> dict[int, dict[str, Any]]:
    """What :func:`write_error` left, by rank."""
    found = sorted(folder.glob("error-*.json"))
    return {int(file.stem.removeprefix("error-")): json.loads(file.read_text(encoding="utf-8")) for file in found}
