"""Threads, jobs and order change no number: weights and the outcome of every sample, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution.processes import threads_each
from robustbench_snn.machine import usable_cores
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite

ROOT = Path(__file__).resolve().parents[3]
SUITE = {
    "name": "threads",
    "dataset": {"name": "digits", "limit": 24, "train_limit": 128},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 1, "lr": 4e-3, "batch_size": 64},
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}],
    "evaluations": [
        {"clean": {"draws": 2}},
        {"pgd": {"eps": "24/255", "steps": 2, "draws": 2, "judging_draws": 2}},
        {"corruptions": {"types": ["gaussian_noise"], "severities": [1, 5], "draws": 1}},
        {"timesteps": {"draws": 1}},
    ],
}
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.store import Store

if __name__ == "__main__":
    spec = parse_suite(json.loads(sys.argv[1]))
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    store, jobs = Store(Path(sys.argv[2])), int(sys.argv[3])
    session = Session(plan, store, RunSettings(jobs=jobs))
    threads = torch.get_num_threads()
    found = {}
    for cell, record in run_cells(session):
        assert record.status == "done", record.failure
        samples = store.samples(record.key) if record.kind == "evaluate" else {}
        rows = {name: column.tolist() for name, column in samples.items()}
        found[record.key] = [record.weights_sha256, dict(record.metrics), rows]
    assert torch.get_num_threads() == threads
    print(json.dumps([threads, found]))
"""


def computed(folder: Path, threads: int, jobs: int) -> tuple[int, dict[str, Any]]:
    """Number of threads that torch had, and weights, metrics and outcomes by key, of a process of its own."""
    script = folder / "run.py"
    script.write_text(SCRIPT)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    environment |= {"PYTHONPATH": str(ROOT)} | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(script), json.dumps(SUITE), str(folder / f"{threads}-{jobs}"), str(jobs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    had, found = json.loads(done.stdout)
    return had, found


def test_threads_and_jobs_change_no_number(tmp_path: Path) -> None:
    had, alone = computed(tmp_path, 1, 1)
    assert had == 1
    assert len(alone) == 2 * (1 + 4)
    had, found = computed(tmp_path, 2, 2)
    assert had == 2
    assert found.keys() == alone.keys()
    assert [key for key in found if found[key] != alone[key]] == []


@pytest.mark.parametrize(
    ("cores", "jobs", "had", "asked", "expected"),
    [
        (2, 1, 2, False, 2),
        (2, 2, 2, False, 1),
        (8, 2, 8, False, 4),
        (8, 3, 8, False, 2),
        (64, 4, 32, False, 8),  # two hardware threads a core: torch takes one of them
        (64, 4, 64, False, 16),
        (2, 16, 2, False, 1),
        (4, 2, 32, False, 2),  # a container's quota, which torch does not look at
        (64, 4, 2, True, 2),
        (8, 4, 8, True, 2),
        (8, 2, 1, True, 1),
        (2, 4, 3, True, 1),
    ],
)
def test_workers_share_the_cores(cores: int, jobs: int, had: int, asked: bool, expected: int) -> None:
    assert threads_each(jobs, cores=cores, had=had, asked=asked) == expected


@pytest.mark.parametrize(
    ("granted", "cores"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), (None, 8)]
)
def test_a_quota_takes_cores_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granted: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    if granted is not None:
        (tmp_path / "cpu.max").write_text(granted + "\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_the_number_of_threads_of_a_training_is_in_its_key() -> None:
    def keys(**recipe: int) -> list[str]:
        spec = parse_suite(SUITE | {"recipe": {"epochs": 2, **recipe}})
        return [key_of(cell) for cell in make_plan(spec, load_dataset("digits", limit=24, train_limit=128)).train]

    assert keys() == keys(threads=1)
    assert set(keys()).isdisjoint(keys(threads=2))
