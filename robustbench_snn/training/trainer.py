"""The training loop."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.dataset import Dataset
from robustbench_snn.errors import UserError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.fusing import fusing
from robustbench_snn.randomness import key_of
from robustbench_snn.training.batches import Prepared, TrainingBatches, batch_size, seed_everything
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.training.objective import objective_of
from robustbench_snn.training.optimization import LearningRate, make_optimizer
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import EpochRecord, TrainingError, TrainingProgress, TrainResult

_CHECK_EVERY = 50
"""Batches between two looks at the losses on an accelerator, where each look waits for the device."""


def train(
    classifier: Classifier,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint_dir: Path | None = None,
    progress: TrainingProgress | None = None,
) -> TrainResult:
    """Trains a classifier in place and leaves it in eval mode.

    On a CPU the weights are a function of the initial weights, dataset, recipe and seed, to the bit: the recipe fixes
    the number of threads, and an interrupted training that is called again with the same folder ends with the same
    weights as one that ran through. Order, augmentation and a stochastic encoder's draws come from (seed, epoch,
    batch); the global generators and the number of threads are put back afterwards.

    Args:
        classifier: the model; its initial weights are the caller's.
        dataset: only the training split is used.
        recipe: optimizer, schedule, loss, augmentation and the rest.
        seed: seed of the order of images, augmentation and stochastic encoders.
        device: where to compute.
        checkpoint_dir: where to keep the checkpoint of every epoch; None for none.
        progress: told of every batch and epoch.

    Raises:
        TrainingError: if the loss is not finite, or memory runs out.
        UserError: if the recipe cannot be run on this device or this dataset.
        StoreError: if the checkpoints are of another training, damaged, or cannot be written.
    """
    check_trainable(dataset, recipe, device)
    run = _Run(classifier.to(device), dataset, recipe, seed, device, checkpoint_dir)
    resumed_from = len(run.history)
    with _generators_kept(device), _threads(recipe.threads):
        for epoch in range(resumed_from, recipe.total_epochs):
            try:
                record = run.epoch(epoch, progress)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                raise _explained(error, run.size, classifier.timesteps) from error
            run.history.append(record)
            if run.checkpoints is not None:
                run.checkpoints.save(classifier, run.optimizer, run.scaler, run.history)
            if progress is not None:
                left = sum(r.seconds for r in run.history) / len(run.history) * (recipe.total_epochs - epoch - 1)
                rate = record.images / record.seconds
                progress.epoch(record.epoch, recipe.total_epochs, record.loss, record.accuracy, rate, left)
    classifier.eval()
    seconds = sum(record.seconds for record in run.history)
    images = sum(record.images for record in run.history)
    return TrainResult(tuple(run.history), resumed_from, seconds, images / seconds if seconds else math.nan)


def check_trainable(dataset: Dataset, recipe: Recipe, device: str) -> None:
    """Finds out whether a recipe can be run, without a model.

    Raises:
        UserError: if it cannot be run on this device or this dataset.
    """
    if recipe.mixed_precision == "fp16" and torch.device(device).type != "cuda":
        raise UserError(
            "mixed_precision fp16 needs a CUDA device; on others set training.mixed_precision to off or bf16"
        )
    if dataset.events and (named := recipe.of_images):
        raise UserError(f"{', '.join(named)} of the recipe are for images, and {dataset.name} has event frames")
    batch_size(dataset.train, recipe)


class _Run:
    """A training under way: model, optimizer, schedule and history."""

    def __init__(
        self,
        classifier: Classifier,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        device: str,
        folder: Path | None,
    ) -> None:
        self.classifier, self.dataset, self.recipe = classifier, dataset, recipe
        self.seed, self.device = seed, device
        self.objective = objective_of(recipe)
        self.optimizer = make_optimizer(classifier, recipe)
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=recipe.mixed_precision == "fp16")
        self.size = batch_size(dataset.train, recipe)
        self.rate = LearningRate(self.optimizer, recipe, len(dataset.train) // self.size)
        self.history: list[EpochRecord] = []
        self.checkpoints: Checkpoints | None = None
        if folder is not None:
            self.checkpoints = Checkpoints(folder, training_key(classifier, dataset, recipe, seed))
            self.history = self.checkpoints.restore(classifier, self.optimizer, self.scaler)

    def epoch(self, epoch: int, progress: TrainingProgress | None) -> EpochRecord:
        """Trains one epoch, counted from 0."""
        started = time.perf_counter()
        batches = TrainingBatches(
            self.dataset.train,
            self.recipe,
            classes=self.dataset.classes,
            mean=self.dataset.mean,
            seed=self.seed,
            epoch=epoch,
        )
        self.classifier.train()
        losses = torch.zeros(len(batches), device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        rate = 0.0
        checked = 0
        for index, prepared in enumerate(batches):
            rate = self.rate.set(epoch, index)
            seed_everything(self.seed, "forward", epoch, index)
            losses[index], hits = self._step(prepared)
            right += hits
            last = index + 1 == len(batches)
            if self.device == "cpu" or last or index % _CHECK_EVERY == _CHECK_EVERY - 1:
                self._check(losses, checked, index + 1, epoch, rate)
                checked = index + 1
            if progress is not None:
                speed = (index + 1) * self.size / (time.perf_counter() - started)
                progress.batch(epoch + 1, self.recipe.total_epochs, index + 1, len(batches), speed)
        images = len(batches) * self.size
        accuracy = int(right) / images
        loss = float(losses.double().mean())
        seconds = time.perf_counter() - started
        return EpochRecord(epoch=epoch + 1, loss=loss, accuracy=accuracy, lr=rate, images=images, seconds=seconds)

    def _step(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """One step of the optimizer: the loss, and how many images were answered right."""
        images, targets, labels = (tensor.to(self.device, non_blocking=True) for tensor in prepared)
        precision = self.recipe.mixed_precision
        dtype = torch.float16 if precision == "fp16" else torch.bfloat16
        autocast = torch.autocast(torch.device(self.device).type, dtype=dtype, enabled=precision != "off")
        self.optimizer.zero_grad(set_to_none=True)
        part = -(-len(images) // self.recipe.accumulate)
        total, hits = torch.zeros((), device=self.device), torch.zeros((), dtype=torch.int64, device=self.device)
        for some, wanted, named in zip(images.split(part), targets.split(part), labels.split(part), strict=True):
            with autocast, fusing(self.classifier):
                loss, logits = self.objective(self.classifier, some, wanted)
            loss = loss * (len(some) / len(images))  # the losses are means over samples
            self.scaler.scale(loss).backward()
            total, hits = total + loss.detach(), hits + (logits.argmax(1) == named).sum()
        if self.recipe.gradient_clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.classifier.parameters(), self.recipe.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return total, hits

    def _check(self, losses: Tensor, start: int, stop: int, epoch: int, rate: float) -> None:
        for index, loss in enumerate(losses[start:stop].tolist(), start):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the training loss is {loss} in epoch {epoch + 1}, batch {index + 1}, "
                    f"at learning rate {rate:.3g}; "
                    "lower training.lr, lengthen training.warmup_epochs, or set training.gradient_clip to 1"
                )


def training_key(classifier: Classifier, dataset: Dataset, recipe: Recipe, seed: int) -> str:
    """Tells one training from another: recipe, data, seed, and the model's tensors by name and shape."""
    shapes = [f"{name} {tuple(tensor.shape)}" for name, tensor in classifier.state_dict().items()]
    return f"{key_of(recipe.model_dump_json(), dataset.fingerprint, dataset.train.digest(), seed, *shapes):016x}"


def _explained(error: BaseException, size: int, timesteps: int) -> BaseException:
    """An error of memory as a :class:`TrainingError`; others as they are."""
    memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)
    if not memory:
        return error
    return TrainingError(
        f"memory ran out at batch size {size} and {timesteps} timesteps; raise training.accumulate, lower "
        "training.batch_size, or set training.mixed_precision"
    )


@contextmanager
def _generators_kept(device: str) -> Iterator[None]:
    """Puts the global generators of torch, numpy and Python back as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Runs what torch splits over CPU threads on so many of them, and puts the number back as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
