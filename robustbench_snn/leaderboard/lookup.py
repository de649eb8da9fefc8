"""A published version, found by what people write: ``quickstart``, ``quickstart/v3.0``, ``3.0``."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.versions import Version, tables, versions


def find_version(results: Path, table: str, version: str | None = None) -> Version:
    """The version of a table that is meant: ``v3.0`` or ``3.0``, the latest without one.

    Raises:
        StoreError: if there is no such table or version.
    """
    known = versions(results, table)
    if not known:
        there = ", ".join(tables(results)) or "none"
        raise StoreError(f"no published table '{table}' in {results} (there: {there}); rbsnn run publishes one")
    if version is None:
        return known[-1]
    chosen = next((found for found in known if str(found).removeprefix("v") == version.removeprefix("v")), None)
    if chosen is None:
        raise StoreError(f"table '{table}' has no version {version}; there are {', '.join(map(str, known))}")
    return chosen


def version_folder(name: str, results: Path) -> Path:
    """The folder of a version: of ``TABLE``, ``TABLE/vX.Y``, or of a path to one, which has a ``table.json``.

    Raises:
        StoreError: if there is none.
    """
    path = Path(name)
    if (path / "table.json").is_file():
        return path.resolve()
    table, _, version = name.partition("/")
    return results / table / str(find_version(results, table, version or None))
