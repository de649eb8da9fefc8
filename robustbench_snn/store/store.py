"""Records on disk: one folder a cell, written once and whole.

``cells/<key>/record.json`` holds the numbers and where they came from, beside it ``samples.parquet`` (one row a
sample: id, label, the evaluation's columns), ``arrays.npz`` (adversarial images, where an evaluation keeps them) and
``weights.safetensors`` (of a training). ``failed/<key>.json`` is a failed cell's record until a later run succeeds,
``work/<key>/`` has the checkpoints of a training under way.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from robustbench_snn.columns import Column
from robustbench_snn.errors import StoreError
from robustbench_snn.store.records import SCHEMA_VERSION, Record


class Store:
    """All records under one folder.

    Args:
        root: made if it is not there.

    Raises:
        StoreError: if the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for name in ("cells", "failed", "work"):
                (root / name).mkdir(parents=True, exist_ok=True)
            probe = root / f".probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"records cannot be written to {root}: {error.strerror or error}; choose another folder with --store"
            ) from None

    def folder(self, key: str) -> Path:
        """Where a cell's files are, or will be."""
        return self.root / "cells" / key

    def work_folder(self, key: str) -> Path:
        """Where a training keeps its checkpoints until it is done."""
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def weights(self, key: str) -> Path:
        """The weights that a training cell left."""
        return self.folder(key) / "weights.safetensors"

    def has(self, key: str) -> bool:
        """Whether the cell is finished."""
        return (self.folder(key) / "record.json").is_file()

    def get(self, key: str) -> Record | None:
        """The cell's finished record, or None.

        Raises:
            StoreError: if the record is there but damaged, or of a newer format.
        """
        path = self.folder(key) / "record.json"
        if not path.is_file():
            return None
        return read_record(path)

    def find(self, prefix: str) -> Record:
        """The one finished record whose key begins like this.

        Raises:
            StoreError: if there is none, or several.
        """
        keys = sorted(entry.name for entry in (self.root / "cells").iterdir() if entry.name.startswith(prefix))
        if len(keys) != 1:
            raise StoreError(f"{len(keys) or 'no'} records in {self.root} begin with '{prefix}'; give more of the key")
        return read_record(self.folder(keys[0]) / "record.json")

    def training_of(self, record: Record) -> Record:
        """The training that made the weights of an evaluation's record.

        Raises:
            StoreError: if it is not here.
        """
        for path in sorted(self.root.glob("cells/*/weights.safetensors")):
            found = read_record(path.with_name("record.json"))
            if found.weights_sha256 == record.weights_sha256:
                return found
        raise StoreError(f"the training of model '{record.model}' is not in {self.root}; name its folder with --store")

    def failure(self, key: str) -> Record | None:
        """The record of the last failed try, or None."""
        path = self.root / "failed" / f"{key}.json"
        return read_record(path) if path.is_file() else None

    def samples(self, key: str) -> dict[str, Column]:
        """The cell's per-sample columns, with ``id`` and ``label``.

        Raises:
            StoreError: if the file is missing or damaged.
        """
        return read_samples(self.folder(key) / "samples.parquet")

    def arrays(self, key: str) -> dict[str, Column]:
        """The larger per-sample arrays that an evaluation kept; empty if none."""
        path = self.folder(key) / "arrays.npz"
        if not path.is_file():
            return {}
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{path} is damaged ({error}); delete its folder and run the suite again") from None

    @contextmanager
    def writing(self, record: Record) -> Iterator[Path]:
        """A folder to put the cell's other files in; on leaving it, the whole cell appears at once.

        A reader, or a run that is killed, sees the cell whole or not at all.
        """
        target = self.folder(record.key)
        scratch = target.with_name(f"{record.key}.{uuid.uuid4().hex}.tmp")
        scratch.mkdir(parents=True)
        try:
            yield scratch
            write_text(scratch / "record.json", record.model_dump_json(indent=1))
            if target.exists():
                shutil.rmtree(target)
            scratch.rename(target)
        except OSError as error:
            raise StoreError(f"the record {target} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        (self.root / "failed" / f"{record.key}.json").unlink(missing_ok=True)

    def write_failure(self, record: Record) -> None:
        """Keeps why a cell failed; a finished record, if there is one, stays."""
        write_text(self.root / "failed" / f"{record.key}.json", record.model_dump_json(indent=1))

    def forget(self, key: str) -> None:
        """Removes a cell's record and checkpoints, so that it is computed anew."""
        for folder in (self.folder(key), self.root / "work" / key):
            shutil.rmtree(folder, ignore_errors=True)

    def clear_work(self, key: str) -> None:
        """Removes the checkpoints of a finished training."""
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)


def read_record(path: Path) -> Record:
    """Reads one record file.

    Raises:
        StoreError: if it is damaged, or written by a newer version.
    """
    advice = "delete its folder and run the suite again: everything else is kept"
    try:
        record = Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise StoreError(f"the record {path} is damaged ({first}); {advice}") from None
    if record.schema_version > SCHEMA_VERSION:
        raise StoreError(
            f"the record {path} has schema version {record.schema_version}, this program knows {SCHEMA_VERSION}; "
            "use a newer robustbench_snn"
        )
    return record


def write_samples(path: Path, columns: Mapping[str, Column]) -> None:
    """Writes per-sample columns, all of one length, as Parquet."""
    pq.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), path, compression="zstd")


def read_samples(path: Path) -> dict[str, Column]:
    """Reads per-sample columns.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path} is missing or damaged ({error}); delete its folder and run the suite again") from None
    return {name: table.column(name).to_numpy() for name in table.column_names}


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        scratch.write_text(text, encoding="utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
