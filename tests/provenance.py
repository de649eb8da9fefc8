"""Where the records of tests say they come from."""

from __future__ import annotations

from robustbench_snn.store.records import Provenance

PROVENANCE = Provenance(
    started="2026-01-01T00:00:00+00:00",
    finished="2026-01-01T00:00:01+00:00",
    wall_seconds=1.0,
    peak_memory_bytes=1,
    device="cpu",
    hardware="x",
    driver=None,
    neuron_implementation="lif: torch-reference",
    precision={},
    batch_size=1,
    command=("rbsnn",),
    suite_sha256="",
    git_commit=None,
    git_dirty=None,
    packages={},
)
