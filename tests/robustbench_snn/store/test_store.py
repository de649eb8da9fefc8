"""The store: whole records or none, damage is named, nothing else is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.errors import StoreError
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.stored_cells import CORRECT, evaluate, fill, record, train

IDENTITY = {"key_version": 2, "kind": "evaluate", "weights": "w"}


def evaluated(**changes: Any) -> Record:
    return record(IDENTITY, **{"samples": 4, "metrics": {"accuracy": 0.75}, "weights_sha256": "w"} | changes)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = evaluate(Store(tmp_path), train(Store(tmp_path)))
    store = Store(tmp_path)
    assert store.get(written.key) == written
    assert set(written.files) == {"samples.parquet"}
    assert store.samples(written.key)["correct"].tolist() == CORRECT.tolist()
    assert store.training_of(written).seed == 0
    assert store.find(written.key[:8]) == written
    assert store.reasons() == {}


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def breaks_off(folder: Path) -> None:
        (folder / "samples.parquet").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(evaluated(), breaks_off)
    assert store.get(evaluated().key) is None
    assert list((tmp_path / "cells").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"metrics": {"accuracy": 0.5}}, r"accuracy is 0\.5, the mean of 'correct' is 0\.75"),
        ({"metrics": {"accuracy": float("nan")}}, "'accuracy' is nan"),
        ({"metrics": {"accuracy": 0.75, "ratio": float("inf")}}, "'ratio' is inf"),
        ({"metrics": {"accuracy": 0.75, "clean_accuracy": 1.5}}, "not a share"),
        ({"metrics": {}}, "only one of accuracy and 'correct'"),
        ({"samples": 5}, "5 samples, samples.parquet has 4 rows"),
    ],
)
def test_a_result_that_is_not_what_it_says_is_never_stored(tmp_path: Path, changes: Any, fault: str) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match=fault):
        store.write(evaluated(**changes), fill)
    assert list((tmp_path / "cells").iterdir()) == []


def test_a_damaged_samples_file_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = store.write(evaluated(), fill)
    (store.folder(written.key) / "samples.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(StoreError, match=r"samples\.parquet is damaged"):
        store.samples(written.key)


def test_records_of_a_newer_program_are_not_misread(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = store.write(evaluated(), fill)
    path = store.folder(written.key) / "record.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    with pytest.raises(StoreError, match="use a newer"):
        store.get(written.key)
    assert path.is_file()


def test_success_clears_the_earlier_failure(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_failure(evaluated(status="failed"))
    failure = store.failure(evaluated().key)
    assert failure is not None
    assert failure.status == "failed"
    store.write(evaluated(), fill)
    assert store.failure(evaluated().key) is None


def test_unchanged_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    written = store.write(evaluated(), fill)
    monkeypatch.setattr("robustbench_snn.store.store.fault_of", lambda *_: pytest.fail("checked again"))
    assert store.get(written.key) == written


def test_shares_in_single_precision_may_round(tmp_path: Path) -> None:
    from robustbench_snn.store.store import write_samples

    correct = np.array([1 / 3, 2 / 3, 1.0, 0.1], dtype=np.float32)
    columns = {"id": np.arange(4), "label": np.zeros(4, int), "correct": correct}
    exact = float(np.mean([1 / 3, 2 / 3, 1.0, 0.1]))
    write = evaluated(metrics={"accuracy": exact})
    assert Store(tmp_path).write(write, lambda folder: write_samples(folder / "samples.parquet", columns))


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="choose another folder with --store"):
        Store(tmp_path / "file")
