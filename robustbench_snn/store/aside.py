"""Cells that are not believed, or not needed, and yet not deleted: ``set_aside/<key>.<n>/`` with ``reason.txt``."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.store.checks import of_model
from robustbench_snn.store.durable import moved, write_text
from robustbench_snn.store.records import Record

_REASON = "reason.txt"
_UNTOLD = "set aside by a run that was stopped before it could say why"


def move_aside(root: Path, key: str, folder: Path) -> Path | None:
    """Moves a cell's folder to those set aside; returns where it is then, None if another process was faster.

    Args:
        root: of the store.
        key: of the cell.
        folder: where it is.

    Raises:
        OSError: if it cannot be moved.
    """
    aside = root / "set_aside"
    aside.mkdir(exist_ok=True)
    number = 1
    try:
        while (target := aside / f"{key}.{number}").exists() or not moved(folder, target):
            number += 1
    except FileNotFoundError:
        return None
    return target


def write_reason(folder: Path, reason: str) -> None:
    """Says why a folder was set aside.

    Raises:
        OSError: if it cannot be written.
    """
    write_text(folder / _REASON, reason + "\n")


def reasons(root: Path) -> dict[str, str]:
    """Why cells of a store were set aside, by the name of their folder."""
    folders = (path for path in sorted(root.glob("set_aside/*")) if not path.name.startswith(".") and path.is_dir())
    return {path.name: _read(path / _REASON) for path in folders}


def why_not_kept(kept: Record, other: Record) -> str:
    """Why the second result of a cell was set aside: it is not what the first one found."""
    theirs, ours = of_model(kept), of_model(other)
    apart = [name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)]
    first = f": {apart[0]} is {ours.get(apart[0])}, there {theirs.get(apart[0])}" if apart else ""
    return (
        f"another run was first, and its result stays. This one, of {other.provenance.hardware}, differs from that of "
        f"{kept.provenance.hardware}{first}. The same cell must give the same numbers: they depend on something that "
        "is not in its key"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return _UNTOLD
