"""Cells of several machines in one store: a union, nothing replaced silently, nothing damaged taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.store.merging import merge_stores
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, write_samples
from tests.provenance import PROVENANCE
from tests.stored_cells import SAMPLES, evaluate, train


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Store, Store]:
    """Two stores that share a training; each has one more cell of its own."""
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    evaluate(one, train(one))
    train(other)
    train(other, seed=1)
    return one, other


def keys(folder: Path) -> set[str]:
    return {path.name for path in (folder / "cells").iterdir()}


def test_two_stores_make_the_store_of_one_machine(two: tuple[Store, Store], tmp_path: Path) -> None:
    together = Store(tmp_path / "together")
    evaluate(together, train(together))
    train(together, seed=1)
    before = [snapshot(store.root) for store in two]
    merged = merge_stores([store.root for store in two], tmp_path / "into")
    assert (merged.taken, merged.same, merged.conflicts, merged.damaged) == (3, 1, (), ())
    assert snapshot(tmp_path / "into") == snapshot(together.root)
    assert [snapshot(store.root) for store in two] == before
    assert merge_stores([store.root for store in two], tmp_path / "into").taken == 0


def test_the_same_result_of_another_time_and_machine_is_no_conflict(two: tuple[Store, Store], tmp_path: Path) -> None:
    one, other = two
    training = one.find(next(key for key in keys(one.root) if (one.folder(key) / "weights.safetensors").is_file()))
    later = PROVENANCE.model_copy(update={"hardware": "another", "finished": "2027-01-01T00:00:00+00:00"})
    evaluate(other, training, provenance=later)
    merged = merge_stores([one.root, other.root], tmp_path / "into")
    assert (merged.taken, merged.same, merged.conflicts) == (3, 2, ())


def conflicting(two: tuple[Store, Store]) -> Record:
    """Lets the second store have the evaluation with another outcome."""
    one, other = two
    key = next(key for key in keys(one.root) if not (one.folder(key) / "weights.safetensors").is_file())
    record = one.find(key)
    wrong = SAMPLES | {"correct": ~SAMPLES["correct"]}
    changed = record.model_copy(update={"metrics": {"accuracy": 0.25}, "files": {}, "content_sha256": None})
    return other.write(changed, lambda folder: write_samples(folder / "samples.parquet", wrong))


def test_a_conflict_is_named_and_nothing_is_written(two: tuple[Store, Store], tmp_path: Path) -> None:
    one, other = two
    key = conflicting(two).key
    merged = merge_stores([one.root, other.root], tmp_path / "into")
    (conflict,) = merged.conflicts
    assert [cell.folder for cell in conflict] == [one.folder(key), other.folder(key)]
    assert merged.taken == 0
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(("preferred", "accuracy"), [("one", 0.75), ("other", 0.25)])
def test_a_preferred_store_wins(two: tuple[Store, Store], tmp_path: Path, preferred: str, accuracy: float) -> None:
    key = conflicting(two).key
    merge_stores([store.root for store in two], tmp_path / "into", prefer=tmp_path / preferred)
    record = Store(tmp_path / "into").get(key)
    assert record is not None
    assert record.metrics["accuracy"] == accuracy
    with pytest.raises(UserError, match="is none of"):
        merge_stores([store.root for store in two], tmp_path / "into", prefer=tmp_path / "nowhere")


def test_a_preferred_store_that_lacks_the_cell_settles_nothing(two: tuple[Store, Store], tmp_path: Path) -> None:
    conflicting(two)
    (tmp_path / "third" / "cells").mkdir(parents=True)
    stores = [*(store.root for store in two), tmp_path / "third"]
    merged = merge_stores(stores, tmp_path / "into", prefer=tmp_path / "third")
    assert (merged.settled, merged.taken, len(merged.conflicts)) == (False, 0, 1)
    assert not (tmp_path / "into").exists()


def test_what_is_replaced_is_set_aside(two: tuple[Store, Store]) -> None:
    one, other = two
    key = conflicting(two).key
    merge_stores([other.root], one.root, prefer=other.root)
    assert [name.partition(".")[0] for name in one.reasons()] == [key]
    record = one.get(key)
    assert record is not None
    assert record.metrics["accuracy"] == 0.25


def test_damaged_cells_and_links_are_not_taken_and_named(two: tuple[Store, Store], tmp_path: Path) -> None:
    one, other = two
    shared = next(iter(keys(one.root) & keys(other.root)))
    (own,) = keys(one.root) - keys(other.root)
    (other.folder(shared) / "weights.safetensors").write_bytes(b"x")
    secret = tmp_path / "secret"
    (one.folder(own) / "samples.parquet").rename(secret)
    (one.folder(own) / "samples.parquet").symlink_to(secret)
    merged = merge_stores([other.root, one.root], tmp_path / "into")
    reasons = {folder.name: reason for folder, reason in merged.damaged}
    assert reasons[shared] == "the content of weights.safetensors does not match its checksum"
    assert reasons[own] == "samples.parquet is no plain file"
    assert keys(tmp_path / "into") == {*keys(other.root)}  # the shared cell is sound in one of them
    with pytest.raises(UserError, match="is no store"):
        merge_stores([tmp_path / "nowhere"], tmp_path / "into")
