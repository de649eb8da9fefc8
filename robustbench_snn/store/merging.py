"""The cells of several machines in one store: a union in which nothing is replaced silently."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.store.checks import RECORD, fault_of, same_result
from robustbench_snn.store.durable import place, scratch_folder
from robustbench_snn.store.files import AGAIN, DamagedRecordError, cell_keys, read_record
from robustbench_snn.store.os_errors import unreadable, writing
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class Cell:
    """A sound cell of a store."""

    store: Path
    folder: Path
    record: Record


@dataclass(frozen=True)
class Merged:
    """What became of the cells.

    Attributes:
        taken: cells that were copied.
        same: cells that were there already, or in several sources, with the same result.
        conflicts: two sound cells of one key that found different things.
        damaged: folder of every cell that is not what it says, and why.
        settled: False if no store is preferred, or it lacks a cell that others disagree on: nothing was written.
    """

    taken: int
    same: int
    conflicts: tuple[tuple[Cell, Cell], ...]
    damaged: tuple[tuple[Path, str], ...]
    settled: bool = True


def merge_stores(sources: Sequence[Path], into: Path, prefer: Path | None = None) -> Merged:
    """Copies the sound cells of stores into one.

    A cell that several stores computed with the same result is kept once, that of ``into`` or else of the first.

    Args:
        sources: folders of stores; they are only read.
        into: folder of the store, made if it is not there.
        prefer: the store whose cell is taken where two differ; where it has none of these, nothing is written.

    Raises:
        UserError: if a source is no store, or ``prefer`` is none of these.
        StoreError: if ``into`` cannot be written.
    """
    for path in sources:
        if not (path / "cells").is_dir():
            raise UserError(f"{path} is no store: it has no folder cells/")
    stores = [*([into] if (into / "cells").is_dir() else []), *sources]
    if prefer is not None and prefer.resolve() not in [path.resolve() for path in stores]:
        raise UserError(f"--prefer {prefer} is none of {', '.join(map(str, stores))}")
    chosen: dict[str, Cell] = {}
    damaged: list[tuple[Path, str]] = []
    conflicts: list[tuple[Cell, Cell]] = []
    same = 0
    for store in stores:
        for folder, found in _cells(store):
            if isinstance(found, str):
                damaged.append((folder, found))
                continue
            cell, before = Cell(store, folder, found), chosen.get(found.key)
            if before is None:
                chosen[found.key] = cell
            elif same_result(before.record, found):
                same += 1
            else:
                conflicts.append((before, cell))
                if prefer is not None and store.resolve() == prefer.resolve():
                    chosen[found.key] = cell
    new = [cell for cell in chosen.values() if cell.store != into]
    if left := [pair for pair in conflicts if not _settled(chosen[pair[0].record.key], prefer)]:
        return Merged(0, same, tuple(left), tuple(damaged), settled=False)
    target = Store(into)
    for cell in new:
        _take(target, cell)
    return Merged(len(new), same, tuple(conflicts), tuple(damaged))


def _settled(taken: Cell, prefer: Path | None) -> bool:
    """Whether the cell that is taken where several differ is that of the preferred store."""
    return prefer is not None and taken.store.resolve() == prefer.resolve()


def examined(folder: Path, key: str) -> Record | str:
    """The record of the cell in a folder, or what is wrong with the cell; nothing is moved or written.

    Raises:
        StoreError: if the record is of a newer format, or the cell cannot be looked at.
    """
    try:
        if odd := [path.name for path in folder.iterdir() if path.is_symlink() or not path.is_file()]:
            return f"{', '.join(sorted(odd))} is no plain file"
        record = read_record(folder / RECORD)
        return fault_of(record, folder, key) or record
    except DamagedRecordError as error:
        return str(error)
    except OSError as error:
        raise unreadable(folder, error, AGAIN) from None


def _take(store: Store, cell: Cell) -> None:
    """Copies a cell, whole; one of the same key that is there is set aside.

    Raises:
        StoreError: if it changed since it was examined, or cannot be written.
    """
    key, target = cell.record.key, store.folder(cell.record.key)
    with writing(target, "--into"), scratch_folder(target) as scratch:
        for name in (RECORD, *cell.record.files):
            shutil.copyfile(cell.folder / name, scratch / name)
        found = examined(scratch, key)
        if not isinstance(found, Record):
            raise StoreError(f"{cell.folder} is not what it says: {found}")
        while not place(scratch, target):
            store.set_aside(key, f"replaced by the cell of {cell.store}")


def _cells(store: Path) -> Iterator[tuple[Path, Record | str]]:
    for key in cell_keys(store):
        folder = store / "cells" / key
        try:
            yield folder, examined(folder, key)
        except StoreError as error:  # of a newer program, or kept from us
            yield folder, str(error)
