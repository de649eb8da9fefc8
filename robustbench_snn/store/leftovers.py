"""What killed runs leave behind: found, told with its size and reason, and removed; nothing that somebody may need.

A leftover is removed only when whoever made it is known to be gone, or, where that cannot be told, when nothing in it
has changed for :data:`OLD` seconds by the file system's own clock.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from robustbench_snn.errors import StoreError
from robustbench_snn.store.checks import RECORD
from robustbench_snn.store.claims import GUARD, LOCK, claim, clear, is_stale, now_in
from robustbench_snn.store.durable import is_scratch, writer_runs
from robustbench_snn.store.merging import examined
from robustbench_snn.store.records import Record

OLD = 3600.0
"""Seconds without a change after which something that nobody is known to write is left over."""

_HALF = "half written, by a process that is gone"
_UNKNOWN = "half written, and not touched for an hour"
_ROOMS = ("", "cells", "failed", "work", "claims", "set_aside", "drafts")
_NESTED = ("cells", "work", "set_aside", "drafts")


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nobody needs.

    Attributes:
        path: where it is.
        why: what it is, in words.
        size: bytes of all files in it.
    """

    path: Path
    why: str
    size: int


def leftovers(store: Path) -> Iterator[Leftover]:
    """All leftovers in a store's folder; nothing is changed.

    Args:
        store: may be missing.

    Raises:
        OSError: if a folder cannot be listed, or the file system's clock not be asked.
    """
    if not store.is_dir():
        return
    now = now_in(store)
    for room in _ROOMS:
        yield from half_written(store / room, now)
    for room in _NESTED:
        for folder in _folders(store / room):
            yield from half_written(folder, now)
            if room != "work" or is_stale(store / "claims" / f"{folder.name}.json"):
                yield from empty(folder, now)
    yield from _stale(filter(_is_claim, _entries(store / "claims")))
    yield from _of_finished_cells(store)


def sweep(store: Path) -> int:
    """Removes what dead processes of this machine left half written or claimed, and what finished cells need no more.

    It is cheap, for the start of a run: names are looked at, no cell is read but those of which something is left, and
    no time is waited for.

    Args:
        store: may be missing, or not ours to write.

    Returns:
        How much was removed.
    """
    gone = [entry for room in _ROOMS for entry in _entries(store / room) if _is_dead(entry)]
    removed = sum(remove(path) is None for path in gone)
    with suppress(OSError, StoreError):
        for left in _of_finished_cells(store):
            held = claim(store / "claims" / f"{left.path.stem}.json")  # else a run with --fresh could begin meanwhile
            if held is not None:
                with held:
                    removed += remove(left.path) is None
    return removed


def sweep_results(results: Path, table: str) -> int:
    """Removes what dead processes of this machine left half written of a table; returns how much.

    Args:
        results: folder of published tables, may be missing.
        table: its name.
    """
    halves = [entry for folder in (results, results / table) for entry in _entries(folder)]
    return sum(remove(entry) is None for entry in halves if writer_runs(entry.name) is False)


def leftovers_of_results(results: Path) -> Iterator[Leftover]:
    """All leftovers in a folder of published tables; nothing is changed.

    Args:
        results: may be missing.

    Raises:
        OSError: as of :func:`leftovers`.
    """
    if not results.is_dir():
        return
    now = now_in(results)
    for folder in (results, *_folders(results)):
        yield from half_written(folder, now)
        yield from _stale(entry for entry in _entries(folder) if entry.name.endswith(LOCK))
    for table in _folders(results):
        yield from empty(table, now)
        for version in _folders(table):
            yield from empty(version, now)


def remove(path: Path) -> str | None:
    """Removes a file, or a folder with all that is in it, following no link; returns why it could not, or None."""
    try:
        if path.name.endswith(GUARD):
            clear(path.with_name(path.name.removeprefix(".").removesuffix(GUARD)))
        elif path.name.endswith(LOCK) or _is_claim(path):
            return None if clear(path) else "somebody has claimed it by now"
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:  # another process was faster
        return None
    except OSError as error:
        return error.strerror or str(error)
    return None


def half_written(folder: Path, now: float) -> Iterator[Leftover]:
    """The files and folders right in a folder that were being written when their process ended."""
    for entry in _entries(folder):
        if is_scratch(entry.name) or entry.name.endswith(GUARD):
            runs = writer_runs(entry.name)
            if runs is False:
                yield _found(entry, _HALF)
            elif runs is None and now - _changed(entry) > OLD:
                yield _found(entry, _UNKNOWN)


def empty(folder: Path, now: float) -> Iterator[Leftover]:
    """The folder itself, where it holds nothing and nobody has touched it for long."""
    if not is_scratch(folder.name) and not _entries(folder) and now - _changed(folder) > OLD:
        yield _found(folder, "an empty folder")


def _stale(files: Iterable[Path]) -> Iterator[Leftover]:
    yield from (_found(file, "the claim of a process that is gone") for file in files if is_stale(file))


def _of_finished_cells(store: Path) -> Iterator[Leftover]:
    """What is kept of cells only until they are finished; the stems of the names are their keys."""
    failures = [file for file in _entries(store / "failed") if file.suffix == ".json"]
    whys = dict.fromkeys(failures, "the failure of a cell that is finished now")
    whys |= dict.fromkeys(_folders(store / "work"), "what a cell kept until it was finished")
    for path, why in whys.items():
        cell = store / "cells" / path.stem
        free = (cell / RECORD).is_file() and is_stale(store / "claims" / f"{path.stem}.json")
        if free and isinstance(examined(cell, path.stem), Record):
            yield _found(path, why)


def _is_dead(path: Path) -> bool:
    if _is_claim(path):
        return _quietly(lambda: is_stale(path))
    return writer_runs(path.name) is False


def _is_claim(path: Path) -> bool:
    return path.parent.name == "claims" and path.suffix == ".json" and not is_scratch(path.name)


def _quietly(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir() and not entry.is_symlink()]


def _found(path: Path, why: str) -> Leftover:
    return Leftover(path, why, sum(facts.st_size for facts in _facts(path) if not stat.S_ISDIR(facts.st_mode)))


def _changed(path: Path) -> float:
    return max((facts.st_mtime for facts in _facts(path)), default=0.0)


def _facts(path: Path) -> Iterator[os.stat_result]:
    """Of a file or folder and everything in it, following no link; what vanishes meanwhile is left out."""
    with suppress(FileNotFoundError):
        yield path.lstat()
    for parent, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                yield (Path(parent) / name).lstat()
