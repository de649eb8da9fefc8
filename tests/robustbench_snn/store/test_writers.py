"""Several writers of one cell: the first stays, a fresh run swaps, and readers see one or the other, whole."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robustbench_snn.store import durable
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, write_samples
from tests.provenance import PROVENANCE
from tests.stored_cells import SAMPLES, fill, record, train

IDENTITY = {"key_version": 2, "kind": "evaluate", "weights": "w"}
FORK = multiprocessing.get_context("fork")


def evaluated(hardware: str = "here", **metrics: float) -> Record:
    provenance = PROVENANCE.model_copy(update={"hardware": hardware})
    found = {"accuracy": 0.75, **metrics}
    return record(IDENTITY, samples=4, metrics=found, weights_sha256="w", provenance=provenance)


KEY = evaluated().key


def other_outcomes(folder: Path) -> None:
    write_samples(folder / "samples.parquet", SAMPLES | {"correct": ~SAMPLES["correct"]})


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "cells").iterdir())


def test_the_first_of_two_equal_results_stays(tmp_path: Path) -> None:
    first = Store(tmp_path).write(evaluated("one", images_per_second=10.0), fill)
    before = {path.name: path.stat().st_ino for path in Store(tmp_path).folder(KEY).iterdir()}
    second = Store(tmp_path).write(evaluated("two", images_per_second=20.0), fill)
    assert second == first
    assert {path.name: path.stat().st_ino for path in Store(tmp_path).folder(KEY).iterdir()} == before
    assert names(tmp_path) == [KEY]
    assert Store(tmp_path).reasons() == {}


def test_a_different_result_is_set_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Store(tmp_path).write(evaluated("one"), fill)
    found = Store(tmp_path).write(evaluated("two", accuracy=0.25), other_outcomes)
    assert found == first
    assert Store(tmp_path).get(KEY) == first
    (reason,) = Store(tmp_path).reasons().values()
    assert "of two, differs from that of one: accuracy is 0.25, there 0.75" in reason
    assert "depend on something that is not in its key" in caplog.text
    aside = tmp_path / "set_aside" / f"{KEY}.1"
    assert {path.name for path in aside.iterdir()} == {"record.json", "samples.parquet", "reason.txt"}


def test_a_fresh_run_replaces(tmp_path: Path) -> None:
    Store(tmp_path).write(evaluated("one"), fill)
    second = Store(tmp_path).write(evaluated("two", accuracy=0.25), other_outcomes, replace=True)
    assert second.provenance.hardware == "two"
    assert Store(tmp_path).get(KEY) == second
    assert names(tmp_path) == [KEY]
    assert Store(tmp_path).reasons() == {}


def test_a_damaged_cell_is_set_aside_by_whoever_writes_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(evaluated("one"), fill)
    (store.folder(KEY) / "samples.parquet").write_bytes(b"x")
    second = store.write(evaluated("two"), fill)
    assert second.provenance.hardware == "two"
    assert store.get(KEY) == second
    assert list(store.reasons().values()) == ["the content of samples.parquet does not match its checksum"]


def test_a_cell_that_another_run_repairs_meanwhile_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    store.write(evaluated("one"), fill)
    (store.folder(KEY) / "samples.parquet").write_bytes(b"x")
    move_aside = durable.moved

    def repaired_first(folder: Path, target: Path) -> bool:
        monkeypatch.setattr("robustbench_snn.store.aside.moved", move_aside)
        other.write(evaluated("two"), fill, replace=True)
        return move_aside(folder, target)

    monkeypatch.setattr("robustbench_snn.store.aside.moved", repaired_first)
    found = store.get(KEY)
    assert found is not None
    assert found.provenance.hardware == "two"
    assert store.reasons() == {}


def test_a_reader_looks_again_while_a_cell_is_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    written = store.write(evaluated(), fill)
    away = tmp_path / "away"
    store.folder(written.key).rename(away)
    monkeypatch.setattr(time, "sleep", lambda _: away.rename(store.folder(KEY)))
    assert store.get(KEY) is None  # nobody has claimed it: nobody swaps it
    with store.claim(KEY):  # type: ignore[union-attr]
        assert store.get(KEY) == written
    assert store.reasons() == {}


def test_a_swap_that_fails_puts_the_old_cell_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a").write_text("old")
    new.mkdir()

    def full(*_: object) -> bool:
        raise OSError(28, "full")

    monkeypatch.setattr(durable, "moved", full)
    with pytest.raises(OSError, match="full"):
        durable.swap(new, old)
    assert (old / "a").read_text() == "old"


def test_forgetting_leaves_no_half_of_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    found = train(store)
    (store.work_folder(found.key) / "epoch-00001.safetensors").touch()

    def killed(folder: Path, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        store.forget(found.key)
    assert store.get(found.key) is None
    assert store.reasons() == {}
    monkeypatch.undo()
    store.forget(found.key)
    assert not (tmp_path / "work" / found.key).exists()


@pytest.mark.parametrize("replace", [False, True])
def test_concurrent_writers_and_readers_never_see_a_half(tmp_path: Path, replace: bool) -> None:
    """Four processes write one cell again and again, with results of their own where they replace; others read it."""
    Store(tmp_path).write(evaluated("first"), fill)
    jobs = [FORK.Process(target=_write_often, args=(tmp_path, replace, str(number))) for number in range(4)]
    jobs += [FORK.Process(target=_read_often, args=(tmp_path, not replace)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 6
    found = Store(tmp_path).get(KEY)
    assert found is not None
    assert (found.provenance.hardware == "first") is not replace
    assert names(tmp_path) == [KEY]
    assert Store(tmp_path).reasons() == {}


def _write_often(root: Path, replace: bool, name: str) -> None:
    for _ in range(15):
        Store(root).write(evaluated(name), fill, replace=replace)


def _read_often(root: Path, always: bool) -> None:
    store = Store(root)
    for _ in range(60):
        found = store.get(KEY)
        assert found is not None or not always
        assert found is None or store.samples(KEY)["correct"].tolist() == SAMPLES["correct"].tolist()


@pytest.mark.parametrize("step", range(1, 9))
def test_a_writer_that_is_killed_between_any_two_steps(tmp_path: Path, step: int) -> None:
    """The old cell or the new one, whole, or (between the two renames of a swap) none; the next run mends it."""
    Store(tmp_path).write(evaluated("old"), fill)
    child = FORK.Process(target=_killed_at, args=(step, tmp_path))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    store = Store(tmp_path)
    found = store.get(KEY)
    assert found is None or found.provenance.hardware in ("old", "new")
    assert store.reasons() == {}
    assert store.write(evaluated("later"), fill).metrics == {"accuracy": 0.75}
    assert store.find(KEY[:8]).key == KEY


def _killed_at(step: int, root: Path) -> None:
    """Writes the cell anew, and kills this process before a given call that changes something on the disk."""
    count = 0

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def counting(*args: object, **named: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return counting

    for name in ("rename", "replace", "mkdir", "unlink", "fsync", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    Store(root).write(evaluated("new"), fill, replace=True)
