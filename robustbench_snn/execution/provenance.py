"""Where and how a number was computed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from robustbench_snn.machine import cpu_name, git_state, gpu_driver, package_versions, peak_memory, precision_flags
from robustbench_snn.model.neurons import implementation
from robustbench_snn.store.records import Provenance


@dataclass
class Stopwatch:
    """When some work started and how long it took."""

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    begin: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.begin


@contextmanager
def measured(device: str) -> Iterator[Stopwatch]:
    """Starts a stopwatch and, on a GPU, its peak memory count."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    yield Stopwatch()


def without_places(word: str) -> str:
    """An argument without the folders of this machine, which say nothing to a reader of a published record.

    A path is told from the working folder where it lies within it, else by its last part; so is that of
    ``--store=/data/runs``.
    """
    name, sign, value = word.rpartition("=")
    path = Path(value)
    if not path.is_absolute() and ".." not in path.parts:
        return word
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    told = whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name
    return f"{name}{sign}{told or value}"


def provenance(watch: Stopwatch, *, device: str, batch_size: int, model: nn.Module, suite_sha256: str) -> Provenance:
    """Everything about this machine and process that a reader of a number may want to know."""
    commit, dirty = git_state()
    cuda = device.startswith("cuda")
    return Provenance(
        started=watch.started.isoformat(),
        finished=datetime.now(UTC).isoformat(),
        wall_seconds=round(watch.seconds, 3),
        peak_memory_bytes=peak_memory(device),
        device=device,
        hardware=torch.cuda.get_device_name(device) if cuda else cpu_name(),
        driver=gpu_driver() if cuda else None,
        neuron_implementation=implementation(model, device),
        precision=precision_flags(),
        batch_size=batch_size,
        command=(Path(sys.argv[0]).name, *(without_places(word) for word in sys.argv[1:])),
        suite_sha256=suite_sha256,
        git_commit=commit,
        git_dirty=dirty,
        packages=package_versions(),
    )
