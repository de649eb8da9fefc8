"""What the operating system refuses is said as that: a full disk is no result, a locked file is not damaged."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.store import durable
from robustbench_snn.store.claims import claim
from robustbench_snn.store.merging import merge_stores
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.weights.tensors import read_tensors, save_weights
from tests.stored_cells import evaluate, fill, record, train

IDENTITY = {"key_version": 2, "kind": "evaluate", "weights": "w"}
PLAIN = record(IDENTITY, samples=4, metrics={"accuracy": 0.75}, weights_sha256="w")


def large(folder: Path) -> None:
    """More than fits: the samples, and a megabyte of noise."""
    fill(folder)
    np.savez_compressed(folder / "arrays.npz", noise=np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_leaves_nothing_and_is_no_result(small_disk: Path) -> None:
    store = Store(small_disk / "runs")
    with pytest.raises(StoreWriteError, match=r"the disk is full; free some space \(rbsnn gc shows what can go\)"):
        store.write(PLAIN, large)
    assert list((store.root / "cells").iterdir()) == []
    assert store.write(PLAIN, fill).metrics == PLAIN.metrics  # what was half written makes room again


def test_weights_checkpoints_and_failures_on_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "runs")
    model = nn.Linear(512, 512)
    with pytest.raises(StoreWriteError, match="the disk is full"):
        save_weights(model, store.work_folder("a" * 64) / "epoch-00001.safetensors")
    assert list(store.work_folder("a" * 64).iterdir()) == []
    with pytest.raises(StoreWriteError, match="the disk is full"):
        store.write(PLAIN, lambda folder: save_weights(model, folder / "weights.safetensors"))
    (small_disk / "filler").write_bytes(b"x" * 100)
    with suppress(OSError), (small_disk / "filler").open("ab", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)
    with pytest.raises(StoreWriteError, match=r"failed/.*the disk is full"):
        store.write_failure(PLAIN.model_copy(update={"status": "failed"}))
    with pytest.raises(StoreWriteError, match="the disk is full"):
        claim(store.root / "claims" / f"{'a' * 64}.json")
    assert store.failure(PLAIN.key) is None


def test_a_read_only_file_system(small_disk: Path) -> None:
    store = Store(small_disk / "runs")
    found = train(store)
    if subprocess.run(["mount", "-o", "remount,ro", small_disk], capture_output=True).returncode:
        pytest.skip("it cannot be mounted read-only here")
    said = "the file system is read-only; mend that, or name another folder with --store, and run again"
    for write in (lambda: store.write(PLAIN, fill), lambda: store.write_failure(PLAIN), lambda: store.claim("a" * 64)):
        with pytest.raises(StoreWriteError, match=said):
            write()
    with pytest.raises(StoreWriteError, match="read-only; choose another folder"):
        Store(small_disk / "runs")
    assert store.get(found.key) == found


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EIO, "error")]
)
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_whatever_call_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, said: str
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(os, call, refusing(number))
    with pytest.raises(StoreWriteError, match=said):
        store.write(PLAIN, fill)
    monkeypatch.undo()
    assert list((tmp_path / "cells").iterdir()) == []
    assert store.get(PLAIN.key) is None


def test_text_that_cannot_be_written_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.write_text(tmp_path / "f", "old")
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="space"):
        durable.write_text(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_record_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and folder of the cell is synced before the rename, the folder of all cells after it."""
    synced: list[str] = []
    order: list[tuple[str, set[str]]] = []
    sync, rename = os.fsync, os.rename

    def syncing(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    def renaming(source: Path, target: Path) -> None:
        order.append((Path(target).name, set(synced)))
        synced.clear()
        rename(source, target)

    store = Store(tmp_path)
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "rename", renaming)
    store.write(PLAIN, fill)
    ((name, before),) = order
    assert name == PLAIN.key
    assert before >= {"record.json", "samples.parquet"}
    assert any(PLAIN.key in folder for folder in before)
    assert synced == ["cells"]


NOBODY = 65534


def as_nobody(work: Callable[[], object]) -> str:
    """Runs it in a child without root's rights, which no permission holds; returns type and text of its error."""
    if os.getuid() != 0:
        pytest.skip("permissions are dropped by root alone")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            work()
            os.write(writing, b"nothing")
        except BaseException as error:  # whatever it is, the parent judges it
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as said:
        return said.read().decode()


@pytest.fixture
def open_place(tmp_path: Path) -> Path:
    """A folder that everybody may enter and write."""
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):  # one of these for each of several workers
            folder.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


def readable(store: Store) -> None:
    for path in [store.root, *store.root.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o644)


@pytest.mark.parametrize("locked", ["record.json", "weights.safetensors", "."])
def test_a_cell_that_may_not_be_read_is_not_called_damaged(open_place: Path, locked: str) -> None:
    store = Store(open_place / "runs")
    found = train(store)
    readable(store)
    (store.folder(found.key) / locked).chmod(0)
    for ask in (
        lambda: Store(store.root).get(found.key),
        lambda: Store(store.root).find(found.key),
        lambda: Store(store.root).training_of(found),
    ):
        said = as_nobody(ask)
        assert "StoreError: permission denied:" in said, said
        assert found.key in said
        assert "damaged" not in said
        assert "delete" not in said
    if locked != "record.json":
        said = as_nobody(lambda: read_tensors(store.weights(found.key)))
        assert "denied" in said, said
    (store.folder(found.key) / locked).chmod(0o755)
    assert store.reasons() == {}
    assert Store(store.root).get(found.key) == found


def test_samples_that_may_not_be_read(open_place: Path) -> None:
    store = Store(open_place / "runs")
    found = evaluate(store, train(store))
    readable(store)
    (store.folder(found.key) / "samples.parquet").chmod(0)
    assert as_nobody(lambda: store.samples(found.key)).startswith("StoreError: permission denied: ")
    assert as_nobody(lambda: Store(store.root).get(found.key)).startswith("StoreError: permission denied: ")


def test_a_store_that_may_not_be_written(open_place: Path) -> None:
    store = Store(open_place / "runs")
    readable(store)
    for name in ("cells", "failed"):
        (store.root / name).chmod(0o555)
    for write in (lambda: store.write(PLAIN, fill), lambda: store.write_failure(PLAIN)):
        assert "StoreWriteError" in (said := as_nobody(write)), said
        assert "permission denied; mend that, or name another folder with --store" in said


def test_cells_that_may_not_be_read_are_not_merged_and_said(open_place: Path) -> None:
    store = Store(open_place / "runs")
    found = train(store)
    readable(store)
    (store.folder(found.key) / "weights.safetensors").chmod(0)

    def merge() -> None:
        merged = merge_stores([store.root], open_place / "into")
        raise ValueError(merged.damaged[0][1])

    assert "ValueError: permission denied" in as_nobody(merge)


def test_too_many_open_files_say_nothing_about_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    found: Record = train(store)
    monkeypatch.setattr(Path, "open", refusing(errno.EMFILE))
    with pytest.raises(StoreError, match="cannot be read: Too many open files; try again when it can"):
        store.get(found.key)
    monkeypatch.undo()
    assert store.get(found.key) == found


def test_a_damaged_failure_is_as_good_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "failed" / f"{PLAIN.key}.json").write_text("{")
    assert store.failure(PLAIN.key) is None
