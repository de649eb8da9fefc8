"""The store: whole records or none, damage is named, nothing else is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.errors import StoreError
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, write_samples
from tests.provenance import PROVENANCE


def record(key: str = "a" * 64, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "key": key,
        "kind": "evaluate",
        "status": "done",
        "suite": "s",
        "model": "m",
        "identity": {"model": {}},
        "seed": 0,
        "timesteps": 4,
        "parameters": 10,
        "metrics": {"accuracy": 0.5, "nothing": float("nan")},
        "provenance": PROVENANCE,
    }
    return Record(**(values | changes))


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(record()) as folder:
        write_samples(folder / "samples.parquet", {"id": np.arange(3), "correct": np.array([True, False, True])})
    found = store.get("a" * 64)
    assert found is not None
    assert found.metrics["accuracy"] == 0.5
    assert np.isnan(found.metrics["nothing"])
    assert store.samples("a" * 64)["correct"].tolist() == [True, False, True]


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def breaks_off() -> None:
        with store.writing(record()) as folder:
            (folder / "samples.parquet").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaks_off()
    assert store.get("a" * 64) is None
    assert list((tmp_path / "cells").iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 1}', "\x00\x01"])
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    store = Store(tmp_path)
    with store.writing(record()):
        pass
    path = tmp_path / "cells" / ("a" * 64) / "record.json"
    path.write_text(content)
    with pytest.raises(StoreError, match=r"is damaged.*delete its folder"):
        store.get("a" * 64)


def test_a_damaged_samples_file_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(record()) as folder:
        (folder / "samples.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(StoreError, match=r"samples\.parquet is missing or damaged"):
        store.samples("a" * 64)


def test_records_of_a_newer_program_are_not_misread(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing(record(schema_version=99)):
        pass
    with pytest.raises(StoreError, match="use a newer"):
        store.get("a" * 64)


def test_success_clears_the_earlier_failure(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_failure(record(status="failed"))
    failure = store.failure("a" * 64)
    assert failure is not None
    assert failure.status == "failed"
    with store.writing(record()):
        pass
    assert store.failure("a" * 64) is None


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="choose another folder with --store"):
        Store(tmp_path / "file")
