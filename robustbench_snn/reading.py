"""Files from anywhere, read within bounds: regular files only, of no more bytes than they may have or claim.

A name may be a pipe that never ends, a device that always gives more, or a link to nothing; a header may promise more
than any memory holds. All of it is an :class:`OSError` here, so that whoever reads a file has one kind of error to
tell in words of its own.
"""

from __future__ import annotations

import math
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

GIB = 1 << 30

MALFORMED = (OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What our own code may raise over data that was read whole, but is of another form than was meant."""

_NUMBERS = "biufc"
"""Kinds of numpy types that stand for numbers."""


class UnfitFileError(OSError):
    """A file that is there, but not what it must be to be read."""


def check_file(path: Path, most: int) -> os.stat_result:
    """Makes sure that a path names a regular file, directly or by links, of bounded size; nothing is opened.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: if there is no file, it cannot be reached, it is a folder, pipe or device, or too large.
    """
    try:
        state = path.stat()
    except ValueError as error:  # a name that no file can have
        raise UnfitFileError(f"{str(path)!r} names no file: {error}") from None
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or device"
        raise UnfitFileError(f"it is {kind}, not a regular file")
    if state.st_size > most:
        raise UnfitFileError(f"it has {state.st_size} bytes, {most} are the most")
    return state


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file; raises what :func:`check_file` does."""
    size = check_file(path, most).st_size
    with path.open("rb") as file:
        content = file.read(size + 1)
    if len(content) > size:  # or it is one of the system's own, which have no size
        raise UnfitFileError("it grew while it was read")
    return content


def read_text(path: Path, most: int) -> str:
    """The text of a regular file in UTF-8.

    Raises:
        OSError: as :func:`check_file`.
        UnicodeDecodeError: if it is no such text.
    """
    return read_bytes(path, most).decode("utf-8")


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, *, most: int = 4 * GIB, rows_at_once: int = 4096
) -> pa.Table:
    """Columns of a Parquet file, checked value by value.

    What the file says of its own sizes is checked before anything is unpacked; what it then unpacks to is counted as it
    comes, since a few bytes can repeat one large value a million times.

    Args:
        path: of the file.
        columns: their names; all if None.
        most: bytes of the file, and of all columns in memory.
        rows_at_once: rows that are unpacked before they are counted.

    Raises:
        OSError: as :func:`check_file`, or if the file is damaged, lacks a column, or unpacks to more.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(path, most)
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema = file.schema_arrow
            names = schema.names if columns is None else list(columns)
            if odd := [name for name in names if schema.names.count(name) != 1]:
                raise UnfitFileError(f"it has no column {', '.join(odd)}, or several of the name")
            groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
            _check_promise(max(sum(group.num_rows for group in groups), file.metadata.num_rows), most)
            _check_promise(sum(group.total_byte_size for group in groups), most)
            batches, held = [], 0
            for batch in file.iter_batches(rows_at_once, columns=names, use_threads=False):
                batch.validate(full=True)
                held += batch.nbytes
                _check_promise(held, most)
                batches.append(batch)
            return pa.Table.from_batches(batches, None if batches else pa.schema([schema.field(n) for n in names]))
    except Exception as error:  # Arrow raises a dozen kinds, of several families
        if isinstance(error, UnfitFileError) or (isinstance(error, OSError) and error.errno is not None):
            raise  # of the system: permission denied
        raise UnfitFileError(_first_line(error)) from None


def read_parquet_schema(path: Path, most: int) -> pa.Schema:
    """What columns a Parquet file has.

    Raises:
        OSError: as :func:`check_file`, or if the file is damaged.
    """
    import pyarrow.parquet as pq

    check_file(path, most)
    try:
        return pq.read_schema(path)
    except Exception as error:  # as in read_parquet
        raise UnfitFileError(_first_line(error)) from None


def read_npz(path: Path, most: int = 16 * GIB) -> dict[str, NDArray[Any]]:
    """The arrays of numbers of an .npz file.

    Args:
        path: of the file.
        most: bytes of the file, and of all arrays in memory.

    Raises:
        OSError: as :func:`check_file`, or if the file is damaged, or an array holds anything else than numbers or is
            not of the size that its header promises.
    """
    check_file(path, most)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_promise(sum(entry.file_size for entry in archive.infolist()), most)
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in archive.infolist()}
    except UnfitFileError:
        raise
    except Exception as error:  # of zip, of deflate and of numpy's headers
        raise UnfitFileError(_first_line(error)) from None


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    import numpy as np

    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.kind not in _NUMBERS:
            raise UnfitFileError(f"{entry.filename} holds {kind}, not numbers")
        promised, there = math.prod(shape) * kind.itemsize, entry.file_size - file.tell()
        if promised != there:
            raise UnfitFileError(f"{entry.filename} promises {promised} bytes of shape {shape}, and has {there}")
    with archive.open(entry) as file:
        found: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return found


def _check_promise(size: int, most: int) -> None:
    if size > most:
        raise UnfitFileError(f"it unpacks to {size} bytes or rows, {most} are the most")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
