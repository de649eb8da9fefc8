"""Computes the cells of a plan, one at a time, and writes what each one left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from robustbench_snn.errors import Stopped, StoreWriteError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.execution.journal import FileJournal
from robustbench_snn.execution.memory import run_in_memory
from robustbench_snn.execution.models import TrainedModels, weights_of
from robustbench_snn.execution.provenance import measured
from robustbench_snn.execution.recorder import Recorder, write_outcome
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.kernels.compiling import using
from robustbench_snn.machine import keep_freed_memory
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan
from robustbench_snn.spec.entry import ClassifierEntry, PluginEntry
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.weights.loading import load_normalized_weights
from robustbench_snn.weights.tensors import save_weights

if TYPE_CHECKING:
    from robustbench_snn.training import TrainingProgress


class Progress(Protocol):
    """Who is told how a session goes: what the terminal shows."""

    def training(self, cell: TrainCell) -> TrainingProgress | None:
        """A training begins, or weights that are there are loaded; returns who is told of its epochs."""

    def evaluating(self, cell: EvaluateCell) -> Callable[[int, int], None]:
        """An evaluation begins; returns who is told (samples done, samples in all)."""

    def waiting(self, cell: Cell, owner: str) -> None:
        """Another run is computing a cell: others come first, then its record is waited for."""

    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        """A cell is finished, now or in an earlier run."""


LOOK_AGAIN = 1.0
"""Seconds between two looks at a cell that another run is computing."""


@dataclass
class Session:
    """A plan, a store, and the models loaded so far.

    Attributes:
        plan: the cells.
        store: the records.
        settings: how to compute.
        progress: who is told.
        began: UTC, ISO 8601.
    """

    plan: Plan
    store: Store
    settings: RunSettings
    progress: Progress | None = None
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def __post_init__(self) -> None:
        keep_freed_memory()
        self._models = TrainedModels(self.plan, self.store, self.settings)
        self._recorder = Recorder(self.plan, self.settings)
        self._waited_for: set[str] = set()

    def stored(self, cell: Cell) -> Record | None:
        """The record that an earlier run left of a cell, which this session takes as it is; told as finished."""
        if self.settings.fresh:
            return None
        weights = self._weights_behind(cell)
        if isinstance(cell, EvaluateCell) and cell.train.peer_name not in weights:
            return None
        record = self.store.get(key_of(cell, weights))
        if record is not None:
            self.told(cell, record)
        return record

    def compute(self, cell: Cell) -> Record:
        """Trains or evaluates a model, or returns the record of an earlier run, or of another one: waits for that.

        Returns:
            What the cell left; a failure is a record too.

        Raises:
            UserError: if the model of an evaluation is not trained.
            StoreWriteError: if the store takes no more files; the cell has not failed.
        """
        while (record := self.attempt(cell)) is None:
            time.sleep(LOOK_AGAIN)
        return record

    def attempt(self, cell: Cell) -> Record | None:
        """As :meth:`compute`, which see; None if another run is computing the cell just now."""
        weights = self._weights_behind(cell)
        key = key_of(cell, weights)
        if not self.settings.fresh and (record := self.store.get(key)) is not None:
            return record
        if (claim := self.store.claim(key)) is None:
            self._tell_who(cell, key)
            return None
        with claim, using(self.settings.compile):
            if self.settings.fresh:
                self.store.clear_work(key)
            elif (record := self.store.get(key)) is not None:  # finished by whoever had the claim before
                return record
            record = self._train(cell, key) if isinstance(cell, TrainCell) else self._evaluate(cell, weights, key)
            if record.status == "failed":
                self.store.write_failure(record)
        return record

    def failed(self, cell: Cell, error: Exception) -> Record:
        """Keeps that a cell failed outside of :meth:`compute`: whoever computed it is gone."""
        with measured(self.settings.device) as watch:
            record = self._recorder.failed(cell, self._weights_behind(cell), nn.Identity(), watch, error)
        self.store.write_failure(record)
        return record

    def told(self, cell: Cell, record: Record) -> None:
        """Tells the progress that a cell is finished, now or in an earlier run."""
        if self.progress:
            self.progress.finished(cell, record, record.provenance.finished < self.began)

    def _tell_who(self, cell: Cell, key: str) -> None:
        if self.progress and key not in self._waited_for and (owner := self.store.claimed_by(key)) is not None:
            self._waited_for.add(key)
            self.progress.waiting(cell, owner.told())

    def _weights_behind(self, cell: Cell) -> dict[str, str]:
        return weights_of(self.plan.models_behind(cell), self.store) if isinstance(cell, EvaluateCell) else {}

    def _train(self, cell: TrainCell, key: str) -> Record:
        told = self.progress.training(cell) if self.progress else None
        with measured(self.settings.device) as watch:
            model: nn.Module = nn.Identity()
            try:
                if isinstance(cell.model, PluginEntry):
                    model = self._models.plugin_model(cell.model, cell)
                    details: dict[str, Any] = {"weights": "as the plug-in returned them"}
                else:
                    model = classifier = self._models.classifier(cell.model, cell)
                    details = self._fill(classifier, cell.model, cell, key, told)
                details["task"] = asdict(self._models.task(cell))
                facts = details.pop("normalization", {})
                record = self._recorder.trained(cell, model, watch, details)
                record = self.store.write(
                    record,
                    lambda folder: save_weights(model, folder / "weights.safetensors", facts),
                    replace=self.settings.fresh,
                )
                self.store.clear_work(key)
            except (Stopped, KeyboardInterrupt, StoreWriteError):
                raise
            except BaseException as error:  # a plug-in may raise anything, sys.exit included
                record = self._recorder.failed(cell, {}, model, watch, error)
        return record

    def _fill(
        self, model: Classifier, entry: ClassifierEntry, cell: TrainCell, key: str, told: TrainingProgress | None
    ) -> dict[str, Any]:
        """Trains the model in place, or loads the weights that the suite names; returns details for the record."""
        from robustbench_snn.training import resolve_recipe, train
        from robustbench_snn.training.distributed import train_distributed
        from robustbench_snn.training.job import Blueprint

        if entry.weights is not None:
            normalization = load_normalized_weights(model, entry.weights)
            return {"weights": entry.weights, "normalization": normalization}
        recipe, dataset = resolve_recipe(entry.recipe), self.plan.dataset
        whole: dict[str, Any] = {
            "seed": cell.seed,
            "device": self.settings.device,
            "checkpoint_dir": self.store.work_folder(key),
            "progress": told,
        }
        if recipe.processes == 1:
            result = train(model, dataset, recipe, **whole)
        else:
            blueprint = Blueprint(
                encoder=entry.encoder,
                backbone=entry.backbone,
                readout=entry.readout,
                timesteps=entry.timesteps,
                dataset=self.plan.suite.dataset,
                plugins=self.settings.plugins,
            )
            result = train_distributed(model, dataset, recipe, blueprint=blueprint, **whole)
        history = [epoch.model_dump(mode="json") for epoch in result.history]
        return {"history": history, "images_per_second": result.images_per_second}

    def _evaluate(self, cell: EvaluateCell, weights: dict[str, str], key: str) -> Record:
        told = self.progress.evaluating(cell) if self.progress else lambda done, total: None
        peers = [peer for peer in self.plan.peers_of(cell) if self.store.has(key_of(peer))]
        samples = self.plan.samples_of(cell)
        with measured(self.settings.device) as watch:
            model: nn.Module = nn.Identity()
            try:
                target = self._models.target(cell.train)
                model = target.model
                subject = Subject(
                    target=target,
                    samples=samples,
                    seed=self.plan.suite.evaluation_seed,
                    batch_size=self.settings.batch_size,
                    device=self.settings.device,
                    progress=told,
                    peers={peer.peer_name: partial(self._models.target, peer) for peer in peers},
                    name=cell.train.peer_name,
                    journal=FileJournal(self.store.work_path(key)),
                )
                outcome, batch_size = run_in_memory(cell.evaluation(), subject)
                record = self._recorder.evaluated(cell, weights, model, watch, outcome, batch_size)
                record = self.store.write(
                    record, lambda folder: write_outcome(folder, samples, outcome), replace=self.settings.fresh
                )
                self.store.clear_work(key)
            except (Stopped, KeyboardInterrupt, StoreWriteError):
                raise
            except BaseException as error:  # a plug-in may raise anything, sys.exit included
                record = self._recorder.failed(cell, weights, model, watch, error)
        return record
