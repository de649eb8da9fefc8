"""The training loop."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.dataset import Dataset
from robustbench_snn.errors import UserError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import reset
from robustbench_snn.randomness import SharedDraws, key_of
from robustbench_snn.training.batches import Prepared, TrainingBatches, batch_size, seed_everything, torch_seed
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.training.objective import objective_of
from robustbench_snn.training.optimization import LearningRate, make_optimizer
from robustbench_snn.training.ranks import ALONE, Ranks
from robustbench_snn.training.recipe import Recipe
from robustbench_snn.training.result import EpochRecord, TrainingError, TrainingProgress, TrainResult
from robustbench_snn.weights.tensors import tensor_digest

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
    ranks: Ranks = ALONE,
) -> TrainResult:
    """Trains a classifier in place and leaves it in eval mode, at rest.

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
        ranks: which of several processes this is, with ``torch.distributed`` set up; see
            :func:`robustbench_snn.training.train_distributed`, which starts them.

    Raises:
        TrainingError: if the loss is not finite, memory runs out, or processes end an epoch with different weights.
        UserError: if the recipe cannot be run on this device or this dataset, or is one for more processes.
        StoreError: if the checkpoints are of another training, damaged, or cannot be written.
    """
    check_trainable(dataset, recipe, device)
    if recipe.processes != ranks.count:
        raise UserError(
            f"this recipe is for {recipe.processes} processes; use robustbench_snn.training.train_distributed"
        )
    run = _Run(classifier.to(device), dataset, recipe, seed, device, checkpoint_dir, ranks)
    resumed_from = len(run.history)
    with _generators_kept(device), _threads(recipe.threads):
        for epoch in range(resumed_from, recipe.total_epochs):
            try:
                record = run.epoch(epoch, progress)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                raise _explained(error, run.size, classifier.timesteps) from error
            run.history.append(record)
            if not ranks.agree(tensor_digest(classifier.state_dict())):
                raise TrainingError(f"the processes have different weights after epoch {epoch + 1}")
            if run.checkpoints is not None and ranks.rank == 0:
                run.checkpoints.save(classifier, run.optimizer, run.scaler, run.history)
            if progress is not None:
                left = sum(r.seconds for r in run.history) / len(run.history) * (recipe.total_epochs - epoch - 1)
                rate = record.images / record.seconds
                progress.epoch(record.epoch, recipe.total_epochs, record.loss, record.accuracy, rate, left)
    classifier.eval()
    reset(classifier)  # membranes of the last batch hold its graph, which cannot be copied
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
    size = batch_size(dataset.train, recipe)
    if recipe.processes == 1:
        return
    if size < recipe.batch_size:
        raise UserError(
            f"{len(dataset.train)} training images are fewer than a batch of {recipe.batch_size}, and "
            f"{recipe.processes} processes take whole batches; lower recipe.batch_size or raise train_limit"
        )
    if torch.device(device).type == "cuda" and torch.cuda.device_count() < recipe.processes:
        raise UserError(
            f"recipe.processes is {recipe.processes}, each on a GPU of its own, and this machine shows "
            f"{torch.cuda.device_count()}; set recipe.processes to that, which makes it another cell, or take "
            "another machine"
        )


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
        ranks: Ranks,
    ) -> None:
        self.classifier, self.dataset, self.recipe = classifier, dataset, recipe
        self.seed, self.device, self.ranks = seed, device, ranks
        self.optimizer = make_optimizer(classifier, recipe)
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=recipe.mixed_precision == "fp16")
        self.size = batch_size(dataset.train, recipe)
        self.rate = LearningRate(self.optimizer, recipe, len(dataset.train) // self.size)
        self.history: list[EpochRecord] = []
        self.checkpoints: Checkpoints | None = None
        if folder is not None:
            self.checkpoints = Checkpoints(folder, training_key(classifier, dataset, recipe, seed))
            self.history = self.checkpoints.restore(classifier, self.optimizer, self.scaler)
        self.share = ranks.share(self.size, mirrored=recipe.mixes)
        self.losses = ranks.stepper(classifier, objective_of(recipe))

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
            ranks=self.ranks,
        )
        self.classifier.train()
        losses = torch.zeros(len(batches), device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        rate = 0.0
        checked = 0
        for index, prepared in enumerate(batches):
            rate = self.rate.set(epoch, index)
            losses[index], hits = self._step(prepared, self._draws(epoch, index))
            right += hits
            last = index + 1 == len(batches)
            if self.device == "cpu" or last or index % _CHECK_EVERY == _CHECK_EVERY - 1:
                self._check(losses, checked, index + 1, epoch, rate)
                checked = index + 1
            if progress is not None:
                speed = (index + 1) * self.size / (time.perf_counter() - started)
                progress.batch(epoch + 1, self.recipe.total_epochs, index + 1, len(batches), speed)
        images = len(batches) * self.size
        accuracy = int(self.ranks.total(right)) / images
        loss = float(self.ranks.total(losses.double()).mean() / self.ranks.count)
        seconds = time.perf_counter() - started
        return EpochRecord(epoch=epoch + 1, loss=loss, accuracy=accuracy, lr=rate, images=images, seconds=seconds)

    def _draws(self, epoch: int, index: int) -> SharedDraws:
        """Seeds what the forward passes of a batch draw from.

        Of several processes each gets its share of what one would draw for encoders and adversarial noise; all else
        (dropout) draws from the global generators, which differ.
        """
        parts = self.seed, "forward", epoch, index
        seed_everything(*parts, *([self.ranks.rank] if self.ranks.rank else []))
        return SharedDraws(torch_seed(*parts))

    def _step(self, prepared: Prepared, draws: SharedDraws) -> tuple[Tensor, Tensor]:
        """One step of the optimizer: the loss, and how many images were answered right, of those that are here."""
        images, targets, labels = (tensor.to(self.device, non_blocking=True) for tensor in prepared)
        precision = self.recipe.mixed_precision
        dtype = torch.float16 if precision == "fp16" else torch.bfloat16
        autocast = torch.autocast(torch.device(self.device).type, dtype=dtype, enabled=precision != "off")
        self.optimizer.zero_grad(set_to_none=True)
        part = -(-len(images) // self.recipe.accumulate)
        parts = list(zip(images.split(part), targets.split(part), labels.split(part), strict=True))
        total, hits = torch.zeros((), device=self.device), torch.zeros((), dtype=torch.int64, device=self.device)
        for index, (some, wanted, named) in enumerate(parts):
            drawing = nullcontext() if self.share is None else draws.of(self.share.part(index, len(parts)))
            with self.losses.summing(last=index + 1 == len(parts)):
                with autocast, fusing(self.classifier), drawing:
                    loss, logits = self.losses(some, wanted)
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
    """An error of memory, or of a graph that was kept, as a :class:`TrainingError`; others as they are."""
    if "backward through the graph a second time" in str(error):
        return TrainingError(
            "the encoder or the backbone keeps something of the batch before, such as membranes of hand-written "
            "neurons: it has to start from rest in every forward pass"
        )
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
