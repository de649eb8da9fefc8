"""Computes the cells of a plan, one at a time, and writes what each one left."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.checked import run_checked
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.execution.building import build_model
from robustbench_snn.execution.provenance import Stopwatch, measured, provenance
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.plan.plan import EvaluateCell, Plan, TrainCell
from robustbench_snn.registry import evaluations, models
from robustbench_snn.store.records import Failure, Record
from robustbench_snn.store.store import Store, write_samples
from robustbench_snn.weights.loading import load_normalized_weights
from robustbench_snn.weights.tensors import save_weights, tensor_digest

if TYPE_CHECKING:
    from robustbench_snn.training import TrainingProgress


class Progress(Protocol):
    """What a session tells of its work, for a person to watch."""

    def training(self, title: str) -> TrainingProgress | None:
        """A training begins; returns who is told of its epochs."""

    def evaluating(self, title: str) -> Callable[[int, int], None]:
        """An evaluation begins; returns who is told (samples done, samples in all)."""

    def finished(self, title: str, record: Record, cached: bool) -> None:
        """A cell is finished, now or in an earlier run."""


@dataclass(frozen=True)
class Options:
    """What changes how a session computes, and never what.

    Attributes:
        device: cpu, cuda or cuda:N.
        batch_size: samples at once in evaluations.
        fresh: compute every cell anew.
        suite_sha256: of the suite, for provenance.
        checkpointing: attacks run parts of the model again in their backward pass, to save memory.
    """

    device: str = "cpu"
    batch_size: int = 128
    fresh: bool = False
    suite_sha256: str = ""
    checkpointing: bool = False


@dataclass
class Session:
    """A plan, a store, and the models loaded so far.

    Attributes:
        plan: the cells.
        store: the records.
        options: how to compute.
        progress: who is told.
        began: UTC, ISO 8601.
    """

    plan: Plan
    store: Store
    options: Options
    progress: Progress | None = None
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    _targets: dict[str, Target] = field(default_factory=dict)

    def train(self, cell: TrainCell) -> Record:
        """Trains a model, or returns the record of an earlier run."""
        if self.options.fresh:
            self.store.forget(cell.key)
        elif record := self.store.get(cell.key):
            return self._tell(cell.title, record)
        with measured(self.options.device) as watch:
            model: nn.Module = nn.Identity()
            try:
                model = self._build(cell)
                details = self._train(cell, model) | {"task": asdict(self._task(cell))}
                facts = details.pop("normalization", {})
                record = self._train_record(cell, model, watch, details)
                with self.store.writing(record) as folder:
                    save_weights(model, folder / "weights.safetensors", facts)
                self.store.clear_work(cell.key)
            except Exception as error:
                record = self._failed(cell, cell.key, {**cell.identity}, model, watch, error)
        return self._tell(cell.title, record)

    def evaluate(self, cell: EvaluateCell) -> Record:
        """Runs an evaluation, or returns the record of an earlier run.

        Raises:
            UserError: if the model is not trained.
        """
        weights = self._weights_hash(cell.train)
        evaluation: Evaluation = evaluations.create(cell.component.name, **cell.component.parameters)
        peers = self._peers(cell) if evaluation.needs_peers else {}
        used = {name: self._weights_hash(peer) for name, peer in peers.items() if evaluation.uses(name)}
        key = cell.key(weights, used)
        if self.options.fresh:
            self.store.forget(key)
        elif record := self.store.get(key):
            return self._tell(cell.title, record)
        told = self.progress.evaluating(cell.title) if self.progress else lambda done, total: None
        with measured(self.options.device) as watch:
            target = Target(nn.Identity())
            try:
                target = self._target(cell.train)
                subject = Subject(
                    target=target,
                    samples=self.plan.dataset.test,
                    seed=self.plan.suite.evaluation_seed,
                    batch_size=self.options.batch_size,
                    device=self.options.device,
                    progress=told,
                    peers={name: partial(self._target, peer) for name, peer in peers.items()},
                    name=cell.train.peer_name,
                )
                outcome, batch_size = run_in_memory(evaluation, subject)
                record = self._evaluate_record(cell, key, target, watch, outcome, batch_size)
                with self.store.writing(record) as folder:
                    self._write_outcome(folder, outcome)
            except Exception as error:
                identity = {**cell.identity, "weights": weights}
                record = self._failed(cell.train, key, identity, target.model, watch, error)
        return self._tell(cell.title, record)

    def is_cached(self, record: Record) -> bool:
        """Whether a record is from before this session began."""
        return record.provenance.finished < self.began

    def _tell(self, title: str, record: Record) -> Record:
        if record.status == "failed":
            self.store.write_failure(record)
        if self.progress:
            self.progress.finished(title, record, self.is_cached(record))
        return record

    def _build(self, cell: TrainCell) -> nn.Module:
        torch.manual_seed(cell.seed)
        return build_model(cell.model, self._task(cell))

    def _task(self, cell: TrainCell) -> Task:
        return self.plan.dataset.task(cell.model.timesteps or self.plan.suite.timesteps)

    def _train(self, cell: TrainCell, model: nn.Module) -> dict[str, Any]:
        """Trains the model in place, or fills it with the weights that the suite names."""
        from robustbench_snn.training import resolve_recipe, train

        if cell.model.model is not None:
            return {"weights": "as the plug-in returned them"}
        assert isinstance(model, Classifier)
        if cell.model.weights is not None:
            normalization = load_normalized_weights(model, cell.model.weights)
            return {"weights": cell.model.weights, "normalization": normalization}
        assert cell.model.recipe is not None
        recipe = resolve_recipe(cell.model.recipe)
        result = train(
            model,
            self.plan.dataset,
            recipe,
            seed=cell.seed,
            device=self.options.device,
            checkpoint_dir=self.store.work_folder(cell.key),
            progress=self.progress.training(cell.title) if self.progress else None,
        )
        history = [epoch.model_dump(mode="json") for epoch in result.history]
        return {"history": history, "images_per_second": result.images_per_second}

    def _target(self, cell: TrainCell) -> Target:
        """The trained model on the device; the last few stay loaded."""
        if cell.key not in self._targets:
            model = self._build(cell)
            if cell.model.model is None:
                assert isinstance(model, Classifier)
                load_normalized_weights(model, self.store.weights(cell.key))
            while len(self._targets) >= 4:
                self._targets.pop(next(iter(self._targets)))
            stochastic = None
            if cell.model.model is not None:
                stochastic = bool(models.get(cell.model.model.name).declaration.traits.stochastic)
            model = model.to(self.options.device).eval()
            self._targets[cell.key] = Target(model, stochastic=stochastic, checkpointing=self.options.checkpointing)
        return self._targets[cell.key]

    def _weights_hash(self, cell: TrainCell) -> str:
        record = self.store.get(cell.key)
        if record is None or record.weights_sha256 is None:
            raise UserError(f"{cell.title} has not been done, or failed: its evaluations cannot run")
        return record.weights_sha256

    def _peers(self, cell: EvaluateCell) -> dict[str, TrainCell]:
        """The suite's other trained models, by name and seed."""
        others = (other for other in self.plan.train if other is not cell.train and self.store.has(other.key))
        return {other.peer_name: other for other in others}

    def _provenance(self, watch: Stopwatch, model: nn.Module, batch_size: int) -> Any:
        return provenance(
            watch,
            device=self.options.device,
            batch_size=batch_size,
            model=model,
            suite_sha256=self.options.suite_sha256,
        )

    def _common(self, cell: TrainCell, key: str, identity: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
        return {
            "key": key,
            "suite": self.plan.suite.name,
            "model": cell.model.name,
            "identity": identity,
            "seed": cell.seed,
            "timesteps": cell.model.timesteps,
            "parameters": sum(p.numel() for p in model.parameters()),
        }

    def _train_record(self, cell: TrainCell, model: nn.Module, watch: Stopwatch, details: Mapping[str, Any]) -> Record:
        return Record(
            kind="train",
            status="done",
            details=details,
            weights_sha256=tensor_digest(model.state_dict()),
            provenance=self._provenance(watch, model, 0),
            **self._common(cell, cell.key, cell.identity, model),
        )

    def _evaluate_record(
        self, cell: EvaluateCell, key: str, target: Target, watch: Stopwatch, outcome: Outcome, batch_size: int
    ) -> Record:
        weights = self._weights_hash(cell.train)
        return Record(
            kind="evaluate",
            status="done",
            samples=len(self.plan.dataset.test),
            metrics=outcome.metrics,
            details=outcome.details,
            flags=tuple(outcome.flags),
            comparable=outcome.comparable,
            weights_sha256=weights,
            provenance=self._provenance(watch, target.model, batch_size),
            **self._common(cell.train, key, {**cell.identity, "weights": weights}, target.model),
        )

    def _write_outcome(self, folder: Path, outcome: Outcome) -> None:
        samples = self.plan.dataset.test
        ids = {"id": samples.ids.numpy(), "label": samples.labels.numpy()}
        write_samples(folder / "samples.parquet", ids | dict(outcome.columns))
        if outcome.arrays:
            np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **dict(outcome.arrays))

    def _failed(
        self,
        cell: TrainCell,
        key: str,
        identity: Mapping[str, Any],
        model: nn.Module,
        watch: Stopwatch,
        error: Exception,
    ) -> Record:
        failure = Failure(
            type=type(error).__name__,
            message=str(error),
            traceback=traceback.format_exc(),
            is_users=isinstance(error, UserError),
        )
        return Record(
            kind="evaluate" if "evaluation" in identity else "train",
            status="failed",
            failure=failure,
            provenance=self._provenance(watch, model, self.options.batch_size),
            **self._common(cell, key, identity, model),
        )


def run_in_memory(evaluation: Evaluation, subject: Subject) -> tuple[Outcome, int]:
    """Runs an evaluation, halving the batch when memory runs out: the numbers do not depend on it.

    Returns:
        The outcome and the batch size that fitted.

    Raises:
        UserError: if not even one sample fits.
    """
    while True:
        try:
            with subject.target.frozen():
                return run_checked(evaluation, subject), subject.batch_size
        except torch.OutOfMemoryError:
            if subject.batch_size == 1:
                raise UserError(
                    f"{subject.device} runs out of memory on a single sample; use a smaller model, fewer timesteps "
                    "or a device with more memory (--device)"
                ) from None
            torch.cuda.empty_cache()
            subject = replace(subject, batch_size=subject.batch_size // 2)
