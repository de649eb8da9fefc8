"""Where and how a number was computed."""

from __future__ import annotations

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
        command=tuple(Path(argument).name if index == 0 else argument for index, argument in enumerate(sys.argv)),
        suite_sha256=suite_sha256,
        git_commit=commit,
        git_dirty=dirty,
        packages=package_versions(),
    )
