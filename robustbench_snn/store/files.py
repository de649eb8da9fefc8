"""The files of a cell: its record, one row a sample, larger arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from robustbench_snn.columns import Column
from robustbench_snn.errors import StoreError
from robustbench_snn.reading import read_npz, read_parquet, read_text
from robustbench_snn.store.os_errors import is_of_content, unreadable
from robustbench_snn.store.records import SCHEMA_VERSION, Record

AGAIN = "run its suite again, which computes it anew"
"""What to do about a cell that is missing or damaged."""

ARRAYS = "arrays.npz"

MOST_RECORD = 1 << 28
"""Most bytes of a record."""

State = tuple[tuple[str, int, int, int], ...]
"""Names, identities, sizes and times of the files of a cell."""

_KEY = re.compile("[0-9a-f]{64}")


class DamagedRecordError(StoreError):
    """A record's file that cannot be read as one."""


def cell_keys(root: Path) -> Iterator[str]:
    """The keys of all cells under a store's root, in order; whatever else lies there is passed over.

    Raises:
        StoreError: if the folder cannot be listed.
    """
    try:
        names = sorted(entry.name for entry in (root / "cells").iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(root / "cells", error, AGAIN) from None
    yield from (name for name in names if _KEY.fullmatch(name))


def state_of(folder: Path) -> State:
    """What changes when a file in a folder does."""
    files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, facts.st_ino, facts.st_size, facts.st_mtime_ns) for name, facts in files)


def read_record(path: Path) -> Record:
    """Reads one record file.

    Raises:
        DamagedRecordError: if it is missing or cannot be read as a record.
        StoreError: if it was written by a newer version, or cannot be looked at.
    """
    try:
        record = Record.model_validate_json(read_text(path, MOST_RECORD))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        if isinstance(error, OSError) and not is_of_content(error):
            raise unreadable(path, error, AGAIN) from None
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DamagedRecordError(f"{path.name} is damaged ({first})") from None
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
        table = read_parquet(path)
    except OSError as error:
        raise unreadable(path, error, AGAIN) from None
    return {name: table.column(name).to_numpy() for name in table.column_names}


def read_arrays(path: Path) -> dict[str, Column]:
    """Reads arrays by name; none where there is no file.

    Raises:
        StoreError: if the file is damaged.
    """
    try:
        return read_npz(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error, AGAIN) from None
