"""Facts about this machine and this program: versions, devices, memory."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch

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
_PROGRAM = ("robustbench_snn", "encoders", "backbones", "suites", "pyproject.toml")
"""Files and folders of a checkout that numbers depend on."""


_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_... of mallopt(3)


def keep_freed_memory() -> bool:
    """Lets this process keep the memory that its tensors free, in place of giving it back after each.

    Every map of a network is new memory otherwise, which the kernel hands out page by page, filled with zeros: of an
    input gradient that is a fifth of the time. Numbers stay the same; the process stays as large as it once was.

    Returns:
        Whether the C library (glibc) took it; it is not asked where the environment sets its allocator already.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def peak_memory(device: str) -> int:
    """Peak memory in bytes: of torch's allocator on a GPU since its last reset, else of this process since it began."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    scale = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use: those of its affinity, fewer where a container's quota grants less time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted, _, period = quota.read_text().partition(" ") if quota.is_file() else ("max", "", "")
    return cores if granted == "max" else max(1, min(cores, int(granted) // int(period)))


def total_memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes of memory of this machine, fewer where a container may use less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    granted = limit.read_text().strip() if limit.is_file() else "max"
    return whole if granted == "max" else min(whole, int(granted))


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
    """Commit of the checkout that holds this package, and whether the program in it has uncommitted changes.

    Published tables and documents are no part of the program. (None, None) when installed, or without git.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        changes = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *_PROGRAM).splitlines()
        return commit, any(not line.startswith("??") or line.endswith(".py") for line in changes)
    except (OSError, subprocess.SubprocessError):
        return None, None


def program_state() -> Literal["clean", "dirty", "unknown"]:
    """Whether the program can be told from a commit, or from the version that was installed."""
    commit, dirty = git_state()
    if commit is not None:
        return "dirty" if dirty else "clean"
    checkout = (Path(__file__).resolve().parent.parent / ".git").exists()
    return "unknown" if checkout or "robustbench_snn" not in package_versions() else "clean"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def gpu_driver() -> str | None:
    """Version of the NVIDIA driver, where there is one."""
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.splitlines()[0].strip() if answer.strip() else None
