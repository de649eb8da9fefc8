"""Cells: the same numbers for any batch size, order, number of processes, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.memory import run_in_memory
from robustbench_snn.execution.session import Session
from robustbench_snn.model.target import Target
from robustbench_snn.plan.cells import Cell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

Reference = tuple[Session, dict[str, Any]]

SUITE = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 40, "train_limit": 320},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 5, "lr": 4e-3, "batch_size": 16},
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}],
    "evaluations": [{"clean": {"draws": 3}}, {"pgd": {"eps": "24/255", "steps": 3, "draws": 2, "judging_draws": 3}}],
}


def session_of(store: Path, suite: dict[str, Any] | None = None, **settings: Any) -> Session:
    spec = parse_suite(suite or SUITE)
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    return Session(plan, Store(store), RunSettings(**settings))


def numbers(store: Store, done: Iterable[tuple[Cell, Record]]) -> dict[str, Any]:
    """Everything that must not depend on how it was computed."""
    return {
        record.key: (dict(record.metrics), {k: v.tolist() for k, v in store.samples(record.key).items()})
        for _, record in done
        if record.kind == "evaluate"
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The tiny suite, computed once in this process with batch size 64."""
    session = session_of(tmp_path_factory.mktemp("store"), batch_size=64)
    done = list(run_cells(session))
    assert {record.status for _, record in done} == {"done"}
    return session, numbers(session.store, done)


def copy_of_trained(reference: Reference, folder: Path) -> Path:
    """A store with the reference's models, but none of its evaluations."""
    import shutil

    source, _ = reference
    store = Store(folder)
    for cell in source.plan.train:
        shutil.copytree(source.store.folder(key_of(cell)), store.folder(key_of(cell)))
    return folder


def test_the_models_learn(reference: Reference) -> None:
    _, found = reference
    accuracies = [metrics["accuracy"] for metrics, _ in found.values()]
    assert min(accuracies) > 0.3


@pytest.mark.parametrize("batch_size", [1, 7, 16])
def test_numbers_do_not_depend_on_the_batch_size(reference: Reference, tmp_path: Path, batch_size: int) -> None:
    session = session_of(copy_of_trained(reference, tmp_path / "s"), batch_size=batch_size)
    assert numbers(session.store, run_cells(session)) == reference[1]


def test_numbers_do_not_depend_on_the_order_of_cells(reference: Reference, tmp_path: Path) -> None:
    session = session_of(copy_of_trained(reference, tmp_path / "s"), batch_size=64)
    done = [(cell, session.compute(cell)) for cell in reversed(session.plan.evaluate)]
    assert numbers(session.store, done) == reference[1]


def test_worker_processes_find_the_same_numbers(reference: Reference, tmp_path: Path) -> None:
    session = session_of(copy_of_trained(reference, tmp_path / "s"), batch_size=64, jobs=2)
    assert numbers(session.store, run_cells(session)) == reference[1]


def test_a_second_run_computes_nothing(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    source, found = reference
    monkeypatch.setattr("robustbench_snn.execution.session.run_in_memory", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr("robustbench_snn.training.train", lambda *_, **__: pytest.fail("trained again"))
    session = Session(source.plan, source.store, RunSettings(batch_size=16, device="cpu"))
    assert numbers(session.store, run_cells(session)) == found


def test_fresh_computes_again(reference: Reference, tmp_path: Path) -> None:
    folder = copy_of_trained(reference, tmp_path / "s")
    session = session_of(folder, batch_size=64)
    cell = session.plan.evaluate[0]
    first = session.compute(cell)
    again = Session(session.plan, session.store, RunSettings(batch_size=64)).compute(cell)
    assert again.provenance.started == first.provenance.started
    forced = Session(session.plan, session.store, RunSettings(batch_size=64, fresh=True)).compute(cell)
    assert forced.provenance.started > first.provenance.started
    assert forced.metrics == first.metrics


def test_a_failed_cell_is_a_record_stops_nothing_and_is_tried_again(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustbench_snn.suites.pgd import PGDEvaluation

    session = session_of(copy_of_trained(reference, tmp_path / "s"), batch_size=64)
    with monkeypatch.context() as patch:
        patch.setattr(PGDEvaluation, "run", lambda *_: 1 / 0)
        done = list(run_cells(session))
    failed = [record for _, record in done if record.status == "failed"]
    failures = [record.failure for record in failed if record.failure is not None]
    assert [failure.type for failure in failures] == ["ZeroDivisionError"] * 2
    assert "1 / 0" in failures[0].traceback
    left = session.store.failure(failed[0].key)
    assert left is not None
    assert left.status == "failed"
    assert sum(record.status == "done" for _, record in done) == 4
    assert numbers(session.store, run_cells(session)) == reference[1]
    assert session.store.failure(failed[0].key) is None


def test_the_key_names_what_can_change_a_result(reference: Reference) -> None:
    session, _ = reference
    base = {key_of(cell) for cell in session.plan.train}

    def keys(**changes: Any) -> set[str]:
        spec = parse_suite(SUITE | changes)
        plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
        return {key_of(cell) for cell in plan.train}

    assert keys(seeds=[1]).isdisjoint(base)
    assert keys(timesteps=3).isdisjoint(base)
    assert keys(recipe={"epochs": 2}).isdisjoint(base)
    assert keys(backbone={"spikformer": {"depth": 2, "width": 128, "heads": 4}}).isdisjoint(base)
    assert keys(dataset={"name": "digits", "limit": 40, "train_limit": 300}).isdisjoint(base)
    assert keys(description="other words") == base
    assert keys(evaluations=["clean"]) == base


def test_compiling_changes_no_number(reference: Reference, tmp_path: Path) -> None:
    session = session_of(tmp_path / "s", batch_size=64, compile="off")
    done = list(run_cells(session))
    assert numbers(session.store, done) == reference[1], "keys too, which hold the digest of the weights"
    assert {record.provenance.neuron_implementation for _, record in done} == {"lif: fused, plain"}


def test_provenance_is_complete(reference: Reference) -> None:
    session, _ = reference
    record = session.store.get(key_of(session.plan.train[0]))
    assert isinstance(record, Record)
    found = record.provenance
    assert found.neuron_implementation == "lif: fused, compiled"
    assert {"python", "torch", "spikingjelly"} <= set(found.packages)
    assert found.peak_memory_bytes > 10_000_000
    assert found.wall_seconds > 0
    assert found.started < found.finished
    assert len(record.details["history"]) == 5


class _OutOfMemoryAbove(Evaluation):
    """Needs a batch of at most four."""

    def run(self, subject: Subject) -> Outcome:
        if subject.batch_size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Outcome(metrics={"accuracy": 1.0})


def test_out_of_memory_halves_the_batch() -> None:
    samples = ArraySamples(torch.rand(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64))
    subject = Subject(Target(torch.nn.Flatten()), samples, batch_size=64)
    outcome, batch_size = run_in_memory(_OutOfMemoryAbove(), subject)
    assert (outcome.metrics["accuracy"], batch_size) == (1.0, 4)


def test_a_killed_run_resumes_to_byte_identical_numbers(reference: Reference, tmp_path: Path) -> None:
    """kill -9 in the middle of training and of evaluating; what was finished is not computed again."""
    root = Path(__file__).resolve().parents[3]
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys\n"
        "from robustbench_snn.dataset import load_dataset\n"
        "from robustbench_snn.execution import RunSettings, run_cells\n"
        "from robustbench_snn.plan.plan import make_plan\n"
        "from robustbench_snn.execution.session import Session\n"
        "from robustbench_snn.store.store import Store\n"
        "from robustbench_snn.spec.files import parse_suite\n"
        "from pathlib import Path\n"
        "spec = parse_suite(json.loads(sys.argv[2]))\n"
        "plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))\n"
        "session = Session(plan, Store(Path(sys.argv[1])), RunSettings(batch_size=64))\n"
        "for cell, record in run_cells(session): print(record.kind, record.status, flush=True)\n"
    )
    store = tmp_path / "store"
    command = [sys.executable, str(script), str(store), json.dumps(SUITE)]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": str(torch.get_num_threads())}

    def kill_when(condition: Callable[[], bool]) -> None:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 240
        while not condition() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        assert process.returncode == -signal.SIGKILL, process.stdout.read()

    kill_when(lambda: any(store.glob("work/*/*")))  # the first epoch's checkpoint is there
    kill_when(lambda: len(list(store.glob("cells/*/record.json"))) >= 2)  # one model and one evaluation are done
    done_before = {path: path.read_bytes() for path in store.glob("cells/*/record.json")}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert finished.stdout.count("done") == 6
    for path, content in done_before.items():
        assert path.read_bytes() == content
    session = session_of(store, batch_size=64)
    assert numbers(session.store, run_cells(session)) == reference[1]
    for cell in session.plan.train:
        found, expected = session.store.get(key_of(cell)), reference[0].store.get(key_of(cell))
        assert found is not None
        assert expected is not None
        assert found.weights_sha256 == expected.weights_sha256


def test_samples_have_stable_ids(reference: Reference) -> None:
    session, _ = reference
    ids = [session.store.samples(record.key)["id"] for _, record in run_cells(session) if record.kind == "evaluate"]
    assert all(np.array_equal(ids[0], other) for other in ids)
    assert len(set(ids[0].tolist())) == 40
