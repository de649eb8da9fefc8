"""Where and how a number was computed."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustbench_snn.neurons import implementation
from robustbench_snn.records import Provenance

_PACKAGES = (
    "robustbench_snn",
    "torch",
    "torchvision",
    "spikingjelly",
    "torchattacks",
    "timm",
    "numpy",
    "scipy",
    "triton",
)


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
        driver=_driver() if cuda else None,
        neuron_implementation=implementation(model, device),
        precision=precision_flags(),
        batch_size=batch_size,
        command=tuple(Path(argument).name if index == 0 else argument for index, argument in enumerate(sys.argv)),
        suite_sha256=suite_sha256,
        git_commit=commit,
        git_dirty=dirty,
        packages=package_versions(),
    )


def peak_memory(device: str) -> int:
    """Bytes: of the GPU's allocator since the cell began, or of this process since it began."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    scale = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def precision_flags() -> dict[str, Any]:
    """The switches of torch that change the last digits of a result."""
    return {
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
    }


@cache
def cpu_name() -> str:
    """The processor's model name and core count."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {torch.get_num_threads()} threads"


@cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout that holds this package, and whether it has changes; (None, None) when installed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def _driver() -> str | None:
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.splitlines()[0].strip() if answer.strip() else None
