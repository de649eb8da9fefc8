"""Records on disk: one folder a cell, written once and whole, and checked before it is believed.

``cells/<key>/record.json`` holds the numbers and where they came from, beside it ``samples.parquet`` (one row a
sample: id, label, the evaluation's columns), ``arrays.npz`` (adversarial images, where an evaluation keeps them) and
``weights.safetensors`` (of a training). ``failed/<key>.json`` is a failed cell's record until a later run succeeds,
``work/<key>/`` has the checkpoints of a training under way. A cell that is not what it says (:mod:`.checks`) is moved
to ``set_aside/<key>.<n>/`` with the reason beside it, and is then not there: nothing is deleted, and it is computed
again.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from robustbench_snn.columns import Column
from robustbench_snn.errors import StoreError
from robustbench_snn.store.checks import RECORD, SAMPLES, WEIGHTS, fault_of, sealed
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
        self._sound: dict[str, tuple[tuple[str, int, int, int], ...]] = {}
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
        return self.folder(key) / WEIGHTS

    def has(self, key: str) -> bool:
        """Whether the cell is finished, and sound."""
        return self.get(key) is not None

    def get(self, key: str) -> Record | None:
        """The cell's finished record, or None; one that is not what it says is set aside.

        Raises:
            StoreError: if the record is of a newer format.
        """
        folder = self.folder(key)
        if not folder.is_dir():
            return None
        found = self._checked(folder, key)
        if isinstance(found, Record):
            return found
        self.set_aside(key, found)
        return None

    def find(self, prefix: str) -> Record:
        """The one finished record whose key begins like this.

        Raises:
            StoreError: if there is none, or several, or if it is not what it says.
        """
        cells = self.root / "cells"
        keys = sorted(entry.name for entry in cells.iterdir() if entry.name.startswith(prefix) and _is_key(entry.name))
        if len(keys) != 1:
            raise StoreError(f"{len(keys) or 'no'} records in {self.root} begin with '{prefix}'; give more of the key")
        found = self._checked(self.folder(keys[0]), keys[0])
        if isinstance(found, Record):
            return found
        raise StoreError(f"the record {keys[0][:12]} in {self.root} cannot be used: {found}; run its suite again")

    def training_of(self, record: Record) -> Record:
        """The training that made the weights of an evaluation's record.

        Raises:
            StoreError: if it is not here.
        """
        for path in sorted(self.root.glob(f"cells/*/{WEIGHTS}")):
            found = self._checked(path.parent, path.parent.name)
            if isinstance(found, Record) and found.weights_sha256 == record.weights_sha256:
                return found
        raise StoreError(f"the training of model '{record.model}' is not in {self.root}; name its folder with --store")

    def set_aside(self, key: str, reason: str) -> None:
        """Moves a cell's folder out of the way, with the reason in ``reason.txt``; nothing is deleted."""
        self._sound.pop(key, None)
        aside = self.root / "set_aside"
        aside.mkdir(exist_ok=True)
        number = 1
        while (target := aside / f"{key}.{number}").exists():
            number += 1
        with suppress(FileNotFoundError):  # another process was faster
            self.folder(key).rename(target)
            write_text(target / "reason.txt", reason + "\n")

    def reasons(self) -> dict[str, str]:
        """Why cells were set aside, by the name of their folder under ``set_aside``."""
        files = sorted(self.root.glob("set_aside/*/reason.txt"))
        return {path.parent.name: path.read_text(encoding="utf-8").strip() for path in files}

    def _checked(self, folder: Path, key: str) -> Record | str:
        """The record in a folder, or what is wrong with it; files that have not changed are read once."""
        try:
            record = read_record(folder / RECORD)
            state = _state(folder)
            if self._sound.get(key) != state:
                fault = fault_of(record, folder, key)
                if fault is not None:
                    return fault
                self._sound[key] = state
        except DamagedRecordError as error:
            return str(error)
        except OSError as error:
            return f"it cannot be read: {error.strerror or error}"
        return record

    def failure(self, key: str) -> Record | None:
        """The record of the last failed try, or None."""
        path = self.root / "failed" / f"{key}.json"
        return read_record(path) if path.is_file() else None

    def samples(self, key: str) -> dict[str, Column]:
        """The cell's per-sample columns, with ``id`` and ``label``.

        Raises:
            StoreError: if the file is missing or damaged.
        """
        return read_samples(self.folder(key) / SAMPLES)

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

    def write(self, record: Record, fill: Callable[[Path], object]) -> Record:
        """Writes a cell: its other files, then the record with their hashes; the whole cell appears at once.

        A reader, or a run that is killed, sees the cell whole or not at all.

        Args:
            record: without hashes.
            fill: puts the cell's other files into the folder that it is given.

        Returns:
            The record with its hashes.

        Raises:
            StoreError: if it cannot be written.
            ValueError: if the cell is not what it says, as :meth:`get` would find.
        """
        target = self.folder(record.key)
        scratch = target.with_name(f"{record.key}.{uuid.uuid4().hex}.tmp")
        scratch.mkdir(parents=True)
        try:
            fill(scratch)
            record = sealed(record, scratch)
            if (fault := fault_of(record, scratch, record.key)) is not None:
                raise ValueError(f"the result of {record.model} cannot be kept: {fault}")
            write_text(scratch / RECORD, record.model_dump_json(indent=1))
            if target.exists():
                shutil.rmtree(target)
            scratch.rename(target)
            self._sound[record.key] = _state(target)
        except OSError as error:
            raise StoreError(f"the record {target} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        (self.root / "failed" / f"{record.key}.json").unlink(missing_ok=True)
        return record

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


class DamagedRecordError(StoreError):
    """A record's file that cannot be read as one."""


def read_record(path: Path) -> Record:
    """Reads one record file.

    Raises:
        DamagedRecordError: if it is missing or cannot be read as a record.
        StoreError: if it was written by a newer version.
    """
    try:
        record = Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DamagedRecordError(f"{path.name} is damaged ({first})") from None
    if record.schema_version > SCHEMA_VERSION:
        raise StoreError(
            f"the record {path} has schema version {record.schema_version}, this program knows {SCHEMA_VERSION}; "
            "use a newer robustbench_snn"
        )
    return record


def _is_key(name: str) -> bool:
    return len(name) == 64  # else a cell that is being written


def _state(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What changes when a file in a folder does: names, identities, sizes and times."""
    files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, facts.st_ino, facts.st_size, facts.st_mtime_ns) for name, facts in files)


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
