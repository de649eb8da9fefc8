"""The one place where files and folders are put in their place: whole or not at all, and on the disk when it returns.

A scratch file or folder carries its process in its name (:func:`scratch_of`), so that whoever finds it later can tell
whether anybody still writes it. Relied on: renaming within a folder is atomic, a file replaces a file, and a folder
never replaces one that holds anything (POSIX, NFS among it; this package does not run on Windows). ``fsync`` is asked
for every file and folder before it is renamed into place, and for the folder that it is in after; a file system that
knows no fsync of folders keeps the promise of wholeness, not that of surviving a power failure.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from robustbench_snn.store.owners import is_running, tag

_SWAPS = 100
"""Tries to swap a folder while others do: each try that fails is one of theirs that succeeded."""
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_TAGGED = re.compile(r"\..+\.(\d+)-(\d*)-([0-9a-f]{16})\.[0-9a-f]{8}\.tmp")
_OLDER = re.compile(
    r"(\..+|[0-9a-f]{64})\.[0-9a-f]{32}\.tmp|\.probe-[0-9a-f]{32}|epoch-\d+\.safetensors\.\d+\.part|\..+\.zip\.part"
)
"""Names of earlier versions of this program, which do not say whose they are."""


def scratch_of(path: Path) -> Path:
    """A name beside a file or folder that no other process uses, and that says whose it is."""
    return path.with_name(f".{path.name}.{tag()}.{uuid.uuid4().hex[:8]}.tmp")


def is_scratch(name: str) -> bool:
    """Whether a file or folder of this name is one that this program was writing."""
    return (_TAGGED.fullmatch(name) or _OLDER.fullmatch(name)) is not None


def writer_runs(name: str) -> bool | None:
    """Whether the process that made a scratch file of this name still runs; None if that cannot be told."""
    match = _TAGGED.fullmatch(name)
    return None if match is None else is_running(int(match[1]), match[2], match[3])


def write_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8, whole or not at all.

    Raises:
        OSError: if it cannot be written; what was there before stays.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all.

    Raises:
        OSError: if it cannot be written; what was there before stays.
    """
    with replacing(path) as scratch:
        scratch.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``, put in its place in the end; removed where writing it broke off.

    Raises:
        OSError: if it cannot be put there; what was there before stays.
    """
    scratch = scratch_of(path)
    try:
        yield scratch
        _sync(scratch)
        os.replace(scratch, path)
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target``, removed in the end unless it was put in its place.

    Raises:
        OSError: if it cannot be made.
    """
    scratch = scratch_of(target)
    try:
        scratch.mkdir(parents=True)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def moved(folder: Path, target: Path) -> bool:
    """Renames a folder to where none is; returns and raises what :func:`place` does."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno in _OCCUPIED and folder.is_dir():
            return False
        raise
    return True


def place(scratch: Path, target: Path) -> bool:
    """Puts a finished folder where none is.

    Returns:
        False if a folder that holds anything is there, or a file; it stays.

    Raises:
        OSError: if it cannot be done.
    """
    _sync_tree(scratch)
    if not moved(scratch, target):
        return False
    _sync_folder(target.parent)
    return True


def swap(scratch: Path, target: Path) -> None:
    """Puts a finished folder in place of whatever is there: readers see the old one or the new one, whole.

    Between two renames there is none; a kill there leaves the old one under a scratch name.

    Raises:
        OSError: if it cannot be done; what was there stays.
    """
    _sync_tree(scratch)
    for _ in range(_SWAPS):
        old = scratch_of(target)
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            done = moved(scratch, target)
        except OSError:
            with suppress(OSError):
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
        if done:
            _sync_folder(target.parent)
            return
    raise FileExistsError(errno.EEXIST, "other processes replace it again and again", str(target))


def discard(folder: Path) -> None:
    """Removes a folder: out of the way at once, then piece by piece; a kill leaves no half of it under its name.

    Raises:
        OSError: if it cannot be moved out of the way.
    """
    scratch = scratch_of(folder)
    with suppress(FileNotFoundError):
        folder.rename(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for path in [Path(parent) / name for name in names]:
            if not path.is_symlink():
                _sync(path)
        _sync_folder(Path(parent))


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder last; silently nothing where a folder cannot be opened or synced."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
