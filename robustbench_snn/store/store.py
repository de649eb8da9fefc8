"""Records on disk: one folder a cell, written once and whole, and checked before it is believed.

``cells/<key>/record.json`` holds the numbers and where they came from, beside it ``samples.parquet`` (one row a
sample: id, label, the evaluation's columns), ``arrays.npz`` (adversarial images, where an evaluation keeps them) and
``weights.safetensors`` (of a training). ``failed/<key>.json`` is a failed cell's record until a later run succeeds,
``work/<key>/`` has the checkpoints of a training under way, ``claims/<key>.json`` says which process computes a cell
(:mod:`.claims`). A cell that is not what it says (:mod:`.checks`) is moved to ``set_aside/<key>.<n>/`` with the reason
beside it, and is then not there: nothing is deleted, and it is computed again. What a kill leaves has a name of its
own (:mod:`.durable`), counts as nothing, and is swept (:mod:`.leftovers`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from robustbench_snn.columns import Column
from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.store import claims
from robustbench_snn.store.aside import move_aside, reasons, why_not_kept, write_reason
from robustbench_snn.store.checks import RECORD, SAMPLES, WEIGHTS, fault_of, same_result, sealed
from robustbench_snn.store.claims import Claim
from robustbench_snn.store.durable import discard, moved, place, scratch_folder, swap, write_text
from robustbench_snn.store.files import (
    AGAIN,
    ARRAYS,
    DamagedRecordError,
    State,
    cell_keys,
    read_arrays,
    read_record,
    read_samples,
    state_of,
    write_samples,
)
from robustbench_snn.store.os_errors import is_of_content, told, unreadable, writing
from robustbench_snn.store.owners import Owner
from robustbench_snn.store.records import Record

__all__ = ["DamagedRecordError", "Store", "read_record", "read_samples", "write_samples"]

_SWAP_SECONDS = 0.01
"""How long a reader waits before it looks again for a cell that somebody may be swapping."""

_log = logging.getLogger(__name__)


class Store:
    """All records under one folder.

    Args:
        root: made if it is not there.

    Raises:
        StoreWriteError: if the folder cannot be written; so does every method that writes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._sound: dict[str, State] = {}
        try:
            for name in ("cells", "failed", "work"):
                (root / name).mkdir(parents=True, exist_ok=True)
            claims.now_in(root)
        except OSError as error:
            raise StoreWriteError(
                f"records cannot be written to {root}: {told(error)}; choose another folder with --store"
            ) from None

    def folder(self, key: str) -> Path:
        """Where a cell's files are, or will be."""
        return self.root / "cells" / key

    def work_path(self, key: str) -> Path:
        """Where a cell keeps what it would take long to compute again, until it is done; there or not."""
        return self.root / "work" / key

    def work_folder(self, key: str) -> Path:
        """The same, made if it is not there."""
        folder = self.work_path(key)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def weights(self, key: str) -> Path:
        """The weights that a training cell left."""
        return self.folder(key) / WEIGHTS

    def claim(self, key: str, stale_after: float = claims.STALE_AFTER) -> Claim | None:
        """Claims a cell for this process until it is released; None if somebody who is alive has it.

        See :func:`.claims.claim` for the arguments, and :mod:`.claims` for what is relied on.
        """
        return claims.claim(self._claim(key), stale_after)

    def claimed_by(self, key: str) -> Owner | None:
        """Who is alive and has the cell; None if nobody does."""
        file = self._claim(key)
        with writing(file):
            return None if claims.is_stale(file) else claims.owner_of(file)

    def _claim(self, key: str) -> Path:
        return self.root / "claims" / f"{key}.json"

    def has(self, key: str) -> bool:
        """Whether the cell is finished, and sound."""
        return self.get(key) is not None

    def get(self, key: str) -> Record | None:
        """The cell's finished record, or None; one that is not what it says is set aside.

        Raises:
            StoreError: if the record is of a newer format, or cannot be looked at; it stays where it is then.
        """
        if not self._is_there(key):
            return None
        found = self._checked(self.folder(key), key)
        if isinstance(found, str):  # another run may have swapped it in the middle of that
            found = self._checked(self.folder(key), key)
        return found if isinstance(found, Record) else self._set_aside_damaged(key, found)

    def _is_there(self, key: str) -> bool:
        """Whether a cell has a folder; looked for once more where whoever claimed it may be swapping it."""
        try:
            if not self.folder(key).is_dir() and self._claim(key).exists():
                time.sleep(_SWAP_SECONDS)
            return self.folder(key).is_dir()
        except OSError as error:
            raise unreadable(self.folder(key), error, AGAIN) from None

    def find(self, prefix: str) -> Record:
        """The one finished record whose key begins like this.

        Raises:
            StoreError: if there is none, or several, or if it is not what it says.
        """
        keys = [key for key in cell_keys(self.root) if key.startswith(prefix)]
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
        for key in cell_keys(self.root):
            with suppress(DamagedRecordError):
                made = read_record(self.folder(key) / RECORD)
                if made.kind == "train" and made.weights_sha256 == record.weights_sha256:
                    found = self._checked(self.folder(key), key)
                    if isinstance(found, Record):
                        return found
        raise StoreError(f"the training of model '{record.model}' is not in {self.root}; name its folder with --store")

    def set_aside(self, key: str, reason: str, folder: Path | None = None) -> None:
        """Moves a cell's folder, or another of its key, out of the way, with the reason beside; nothing is deleted."""
        self._sound.pop(key, None)
        with writing(self.root / "set_aside" / key):
            if target := move_aside(self.root, key, folder or self.folder(key)):
                write_reason(target, reason)

    def _set_aside_damaged(self, key: str, fault: str) -> Record | None:
        """Sets a damaged cell aside, unless another run has put a sound one in its place by now: that goes back."""
        self._sound.pop(key, None)
        with writing(self.root / "set_aside" / key):
            if not (target := move_aside(self.root, key, self.folder(key))):
                return None
            found = self._checked(target, key)
            if isinstance(found, str):
                write_reason(target, fault)
            elif moved(target, self.folder(key)):
                return found
            else:  # and a third run was faster than that: its cell stays
                discard(target)
        return None

    def reasons(self) -> dict[str, str]:
        """Why cells were set aside, by the name of their folder under ``set_aside``."""
        return reasons(self.root)

    def _checked(self, folder: Path, key: str) -> Record | str:
        """The record in a folder, or what is wrong with it; files that have not changed are read once.

        Raises:
            StoreError: if it is of a newer format, or cannot be looked at.
        """
        try:
            record = read_record(folder / RECORD)
            state = state_of(folder)
            if self._sound.get(key) != state:
                fault = fault_of(record, folder, key)
                if fault is not None:
                    return fault
                self._sound[key] = state
        except DamagedRecordError as error:
            return str(error)
        except OSError as error:
            if is_of_content(error):
                return f"it cannot be read: {told(error)}"
            raise unreadable(folder, error, AGAIN) from None
        return record

    def failure(self, key: str) -> Record | None:
        """The record of the last failed try, or None; one that is damaged is as good as none."""
        path = self.root / "failed" / f"{key}.json"
        with suppress(DamagedRecordError):
            return read_record(path)
        return None

    def samples(self, key: str) -> dict[str, Column]:
        """The cell's per-sample columns, with ``id`` and ``label``.

        Raises:
            StoreError: if the file is missing or damaged.
        """
        self._is_there(key)
        return read_samples(self.folder(key) / SAMPLES)

    def arrays(self, key: str) -> dict[str, Column]:
        """The larger per-sample arrays that an evaluation kept; empty if none.

        Raises:
            StoreError: if the file is damaged.
        """
        self._is_there(key)
        return read_arrays(self.folder(key) / ARRAYS)

    def write(self, record: Record, fill: Callable[[Path], object], *, replace: bool = False) -> Record:
        """Writes a cell: its other files, then the record with their hashes; the whole cell appears at once.

        A reader, or a run that is killed, sees the cell whole or not at all. Where a sound cell of the key is there
        already, it stays: another run was faster. If it found something else, this one is set aside with the reason.

        Args:
            record: without hashes.
            fill: puts the cell's other files into the folder that it is given.
            replace: puts this one in the place of whatever is there.

        Returns:
            The record that is there now, with its hashes.

        Raises:
            StoreWriteError: if it cannot be written.
            ValueError: if the cell is not what it says, as :meth:`get` would find.
        """
        target = self.folder(record.key)
        with writing(target):
            with scratch_folder(target) as scratch:
                fill(scratch)
                record = sealed(record, scratch)
                if (fault := fault_of(record, scratch, record.key)) is not None:
                    raise ValueError(f"the result of {record.model} cannot be kept: {fault}")
                (scratch / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")
                state = state_of(scratch)
                if replace:
                    swap(scratch, target)
                elif (found := self._placed(scratch, record)) is not record:
                    return found
            self._sound[record.key] = state
            (self.root / "failed" / f"{record.key}.json").unlink(missing_ok=True)
        return record

    def _placed(self, scratch: Path, record: Record) -> Record:
        """Puts a cell where no sound one is; returns the record that is there then."""
        key = record.key
        while not place(scratch, self.folder(key)):
            found = self._checked(self.folder(key), key)
            if isinstance(found, str):
                self._set_aside_damaged(key, found)
                continue
            if not same_result(found, record):
                reason = why_not_kept(found, record)
                _log.warning("%s: %s", self.folder(key), reason)
                self.set_aside(key, reason, scratch)
            return found
        return record

    def write_failure(self, record: Record) -> None:
        """Keeps why a cell failed; a finished record, if there is one, stays."""
        path = self.root / "failed" / f"{record.key}.json"
        with writing(path):
            write_text(path, record.model_dump_json(indent=1))

    def forget(self, key: str) -> None:
        """Removes a cell's record and checkpoints, so that it is computed anew."""
        self._sound.pop(key, None)
        with writing(self.folder(key)):
            discard(self.folder(key))
        self.clear_work(key)

    def clear_work(self, key: str) -> None:
        """Removes what a cell kept until it was done."""
        folder = self.work_path(key)
        with writing(folder):
            discard(folder)
