"""A model small enough to train in a test, and what trains it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from robustbench_snn.dataset import Dataset, load_dataset
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task
from robustbench_snn.registry import encoders


class Tiny(Backbone):
    """One spiking layer and a head."""

    def __init__(self, task: Task) -> None:
        stem = Stem(task, 4)
        super().__init__(task, stem)
        self.hidden = nn.Linear(4 * task.height * task.width, 16)
        self.norm = nn.BatchNorm1d(16)
        self.neuron = NeuronConfig().build()
        self.head = nn.Linear(16, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        steps, batch = spikes.shape[:2]
        hidden = self.norm(self.hidden(spikes.flatten(2).flatten(0, 1))).unflatten(0, (steps, batch))
        logits: Tensor = self.head(self.neuron(hidden))
        return logits

    def segments(self, timesteps: int) -> list[int]:
        return [timesteps - 1, 1]

    def segment_weights(self) -> list[float]:
        return [0.25, 0.75]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small are faster on one thread; and other tests may share the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits", train_limit=100)


@pytest.fixture
def build(digits: Dataset) -> Callable[..., Classifier]:
    def make(encoder: str = "rate", readout: str | None = None) -> Classifier:
        torch.manual_seed(0)
        backbone = Tiny(digits.task(3))
        return Classifier(encoders.create(encoder, backbone.stem), backbone, 3, readout)  # type: ignore[arg-type]

    return make


@pytest.fixture
def in_two(tmp_path: Path) -> Callable[[Callable[[int], Any]], list[Any]]:
    """What a function of the rank returns in each of two forked processes that can reach each other."""

    def both(work: Callable[[int], Any]) -> list[Any]:
        def run(rank: int) -> None:
            torch.set_num_threads(1)
            meeting, patience = f"file://{tmp_path}/meeting", timedelta(seconds=60)
            dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
            torch.save(work(rank), tmp_path / f"{rank}.pt")
            dist.destroy_process_group()

        processes = [multiprocessing.get_context("fork").Process(target=run, args=(rank,)) for rank in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    return both
