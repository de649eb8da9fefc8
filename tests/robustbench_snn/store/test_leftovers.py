"""What kills leave: ignored by everything that lists cells, shown with its size and reason, swept, nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_snn.leaderboard.pairwise.of_store import evidence_of_store
from robustbench_snn.leaderboard.publication import publishing
from robustbench_snn.store import durable
from robustbench_snn.store.claims import claim
from robustbench_snn.store.leftovers import leftovers, leftovers_of_results, remove, sweep, sweep_results
from robustbench_snn.store.merging import merge_stores
from robustbench_snn.store.owners import Owner, this_machine
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.stored_cells import evaluate, fill, record, train

HEX = "0123456789abcdef" * 2


def dead_tag() -> str:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return f"{child.pid}-1-{this_machine()}"


def old(path: Path) -> Path:
    for one in [path, *path.rglob("*")]:
        os.utime(one, (1e9, 1e9))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def cells(store: Store) -> tuple[Record, Record]:
    training = train(store)
    return training, evaluate(store, training)


@pytest.fixture
def complete(store: Store) -> Record:
    """An evaluation that says on which data it was, as rbsnn compare wants it."""
    identity = {"key_version": 2, "kind": "evaluate", "weights": "w", "model": {}, "evaluation": {"name": "clean"}}
    identity |= {"dataset": "d", "samples": "s", "seed": 0}
    return store.write(record(identity, samples=4, metrics={"accuracy": 0.75}, weights_sha256="w"), fill)


def planted(store: Store, cells: tuple[Record, Record]) -> dict[Path, str]:
    """One leftover of every kind, of this program and of those before it, with a word of its reason."""
    root, (training, evaluation), tag = store.root, cells, dead_tag()
    found: dict[Path, str] = {}

    def folder(path: Path, why: str, source: Path | None = None) -> None:
        if source is None:
            path.mkdir(parents=True)
        else:
            shutil.copytree(source, path)
        found[path] = why

    def file(path: Path, why: str, text: str = "half") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        found[path] = why

    for one in cells:
        folder(root / "cells" / f".{one.key}.{tag}.01234567.tmp", "process that is gone", store.folder(one.key))
        folder(root / "cells" / f"{one.key}.{HEX}.tmp", "not touched for an hour", store.folder(one.key))
    folder(root / "cells" / ("e" * 64), "an empty folder")
    file(root / f".probe-{HEX}", "not touched for an hour", "")
    file(root / "failed" / f".{'a' * 64}.json.{HEX}.tmp", "not touched for an hour")
    file(root / "failed" / f"{evaluation.key}.json", "the failure of a cell that is finished", "{}")
    file(root / "work" / training.key / "epoch-00001.safetensors", "")
    found[root / "work" / training.key] = "what a cell kept until it was finished"
    del found[root / "work" / training.key / "epoch-00001.safetensors"]
    file(root / "work" / ("b" * 64) / f".epoch-00001.safetensors.{tag}.01234567.tmp", "process that is gone")
    file(root / "work" / ("c" * 64) / "epoch-00001.safetensors.77.part", "not touched for an hour")
    folder(root / "work" / ("d" * 64), "an empty folder")
    dead = Owner.here().model_copy(update={"pid": int(tag.partition("-")[0]), "started": "1"})
    file(root / "claims" / f"{'a' * 64}.json", "the claim of a process that is gone", dead.model_dump_json())
    file(root / "claims" / f".{'f' * 64}.json.guard", "not touched for an hour", "")
    folder(root / "drafts" / f".tab.{tag}.01234567.tmp", "process that is gone")
    folder(root / "drafts" / "tab", "an empty folder")
    file(root / "set_aside" / f"{'a' * 64}.1" / f".reason.txt.{HEX}.tmp", "not touched for an hour")
    for path, why in found.items():
        if why.startswith(("not touched", "an empty")):
            old(path)
    return found


def test_every_leftover_is_found_with_its_reason_and_size(store: Store, cells: tuple[Record, Record]) -> None:
    expected = planted(store, cells)
    found = {one.path: one for one in leftovers(store.root)}
    assert set(found) == set(expected)
    for path, why in expected.items():
        assert why in found[path].why
    part = store.root / "work" / ("c" * 64) / "epoch-00001.safetensors.77.part"
    assert found[part].size == 4


def test_what_is_shown_can_be_removed_and_nothing_else_is(store: Store, cells: tuple[Record, Record]) -> None:
    kept = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    expected = planted(store, cells)
    assert [remove(one.path) for one in [*leftovers(store.root)]] == [None] * len(expected)
    assert list(leftovers(store.root)) == []
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == kept


def test_nothing_that_lists_cells_sees_them(store: Store, cells: tuple[Record, Record], tmp_path: Path) -> None:
    training, evaluation = cells
    planted(store, cells)
    assert store.find(evaluation.key[:8]) == evaluation  # rbsnn score, plot
    assert store.training_of(evaluation) == training
    assert [name.partition(".")[0] for name in store.reasons()] == ["a" * 64]
    merged = merge_stores([store.root], tmp_path / "into")
    assert (merged.taken, merged.same) == (2, 0)
    assert {path.name for path in (tmp_path / "into" / "cells").iterdir()} == {training.key, evaluation.key}


def test_a_comparison_does_not_see_them(store: Store, complete: Record) -> None:
    half = store.root / "cells" / f"{complete.key}.{HEX}.tmp"
    shutil.copytree(store.folder(complete.key), half)
    (half / "record.json").write_text("half")
    shutil.copytree(half, durable.scratch_of(store.folder(complete.key)))
    (store.root / "cells" / ("e" * 64)).mkdir()
    assert [one.label for one in evidence_of_store(store.root, "m").measured] == ["clean"]


def test_what_somebody_writes_stays(store: Store, cells: tuple[Record, Record]) -> None:
    root, key = store.root, cells[0].key
    living = durable.scratch_of(root / "cells" / key)
    living.mkdir()
    old(living)  # this process writes it, however long that takes
    (root / "cells" / f"{key}.{HEX}.tmp").mkdir()  # nobody knows whose, and it is young
    (root / "cells" / "notes.tmp").mkdir()
    (root / "cells" / "notes.tmp" / "file").touch()
    old(root / "cells" / "notes.tmp")  # not of this program
    store.work_folder("b" * 64)
    elsewhere = Owner.here().model_copy(update={"machine": "0" * 16})
    with claim(root / "claims" / f"{'a' * 64}.json"):  # type: ignore[union-attr]
        (root / "claims" / f"{'c' * 64}.json").write_text(elsewhere.model_dump_json())
        assert list(leftovers(root)) == []
        assert sweep(root) == 0


def test_checkpoints_of_a_training_that_is_not_finished_stay(store: Store, cells: tuple[Record, Record]) -> None:
    training, _ = cells
    (store.work_folder(training.key) / "epoch-00001.safetensors").write_text("x")
    (store.folder(training.key) / "weights.safetensors").write_text("damaged: it will be trained again")
    assert list(leftovers(store.root)) == []


def test_a_claimed_cell_is_left_alone(store: Store, cells: tuple[Record, Record]) -> None:
    training, _ = cells
    (store.work_folder(training.key) / "epoch-00001.safetensors").write_text("x")
    old(store.work_folder("b" * 64))
    with store.claim(training.key), store.claim("b" * 64):  # type: ignore[union-attr]
        assert list(leftovers(store.root)) == []
        assert sweep(store.root) == 0
    assert len(list(leftovers(store.root))) == 2


def test_a_sweep_leaves_a_cell_that_is_claimed_while_it_looks(
    store: Store, cells: tuple[Record, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with --fresh begins to train a finished cell anew just after its claim was looked for."""
    training, _ = cells
    begun = store.work_folder(training.key) / "epoch-00001.safetensors"
    begun.write_text("x")
    with store.claim(training.key):  # type: ignore[union-attr]
        monkeypatch.setattr("robustbench_snn.store.leftovers.is_stale", lambda path: True)
        sweep(store.root)
        assert begun.is_file()


def test_a_claim_that_was_taken_over_meanwhile_is_not_removed(store: Store) -> None:
    path = store.root / "claims" / f"{'a' * 64}.json"
    with store.claim("a" * 64):  # type: ignore[union-attr]
        assert remove(path) == "somebody has claimed it by now"
        assert path.is_file()


def test_a_sweep_takes_what_the_dead_of_this_machine_left_at_once(store: Store, cells: tuple[Record, Record]) -> None:
    expected = planted(store, cells)
    dead = [path for path, why in expected.items() if "process that is gone" in why]
    gone = [path for path in dead if path.parent.parent == store.root]  # deeper ones are left to rbsnn gc
    gone += [path for path, why in expected.items() if "finished" in why]
    assert sweep(store.root) == len(gone) == 6
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in expected if path not in gone)


def test_a_link_is_removed_not_followed(store: Store, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    link = store.root / "cells" / f".{'a' * 64}.{dead_tag()}.01234567.tmp"
    link.symlink_to(precious)
    (one,) = leftovers(store.root)
    assert one.size < 1000
    assert remove(one.path) is None
    assert (precious / "file").read_text() == "x"
    assert not link.is_symlink()


def test_leftovers_among_published_tables(tmp_path: Path) -> None:
    tag = dead_tag()
    version = tmp_path / "tab" / "v1.0"
    version.mkdir(parents=True)
    (version / "table.json").write_text("{}")
    half = tmp_path / "tab" / f".v1.1.{tag}.01234567.tmp"
    half.mkdir()
    before = old(Path(shutil.copytree(version, tmp_path / "tab" / f".v1.1.{HEX}.tmp")))
    page = tmp_path / f".README.md.{tag}.01234567.tmp"
    page.touch()
    lock = tmp_path / ".tab.lock"
    dead = Owner.here().model_copy(update={"pid": int(tag.partition("-")[0]), "started": "1"})
    lock.write_text(dead.model_dump_json())
    nothing = tmp_path / "tab" / "v2.0"
    nothing.mkdir()
    old(nothing)
    found = [one.path for one in leftovers_of_results(tmp_path)]
    assert sorted(found) == sorted([half, before, page, lock, nothing])
    assert sweep_results(tmp_path, "another") == 1
    assert not page.exists()
    with publishing(tmp_path, "tab"):
        assert not half.exists()
    found = [before, nothing]  # their makers cannot be asked, so rbsnn gc looks at the clock
    assert all(remove(path) is None for path in found)
    assert [path.name for path in tmp_path.rglob("*")] == ["tab", "v1.0", "table.json"]


def test_folders_that_are_not_there_have_no_leftovers(tmp_path: Path) -> None:
    assert [*leftovers(tmp_path / "no"), *leftovers_of_results(tmp_path / "no")] == []
    assert sweep(tmp_path / "no") == 0
    assert list(tmp_path.iterdir()) == []
