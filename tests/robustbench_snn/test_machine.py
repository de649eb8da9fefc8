"""What runs ask of the C library's allocator, told by the page faults of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from robustbench_snn.machine import keep_freed_memory
torch.set_num_threads(1)
taken = {asked} and keep_freed_memory()
for _ in range(5):
    torch.ones(12_000_000).mul(2.0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12_000_000).mul(2.0)
print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 12_000_000 * 4 // 4096
"""Of one tensor, on machines whose pages have 4 KiB; above 32 MiB, up to where glibc comes to keep memory by itself."""


def faults(asked: bool, **environment: str) -> tuple[str, int]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    command = [sys.executable, "-c", PROGRAM.format(asked=asked)]
    done = subprocess.run(command, env=ours | environment, capture_output=True, text=True, check=True)
    taken, count = done.stdout.split()
    return taken, int(count)


@pytest.mark.skipif(
    sys.platform != "linux" or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="of glibc"
)
def test_freed_memory_is_kept() -> None:
    taken, kept = faults(True)
    _, given_back = faults(False)
    assert taken == "True"
    assert given_back > 20 * PAGES  # of the forty tensors that the twenty steps make
    assert kept < given_back / 5  # the heap may still grow by a tensor or two where its free pieces lie badly


def test_an_allocator_that_the_user_set_is_left_alone() -> None:
    assert faults(True, MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
