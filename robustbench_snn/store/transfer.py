"""A cell as plain bytes, to carry it from one store to another without a file system between them."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.store.checks import RECORD
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

Packed = dict[str, bytes]
"""The files of a finished cell, by name."""


def pack(store: Store, key: str) -> Packed:
    """All files of a finished cell."""
    return {path.name: path.read_bytes() for path in sorted(store.folder(key).iterdir())}


def unpack(packed: Packed, store: Store, *, replace: bool = False) -> Record:
    """Writes a cell into a store, checked as any other is; ``replace`` as of :meth:`Store.write`.

    Raises:
        StoreError: if it cannot be written.
        ValueError: if it is not what it says.
    """

    def fill(folder: Path) -> None:
        for name, content in packed.items():
            if name != RECORD:
                (folder / name).write_bytes(content)

    return store.write(Record.model_validate_json(packed[RECORD]), fill, replace=replace)
