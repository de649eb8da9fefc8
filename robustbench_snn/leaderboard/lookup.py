"""A published version, found by what people write: ``quickstart``, ``quickstart/v3.0``, ``3.0``."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.versions import Version, record_lines, tables, versions
from robustbench_snn.store.records import Record


def find_version(results: Path, table: str, version: str | None = None) -> Version:
    """The version of a table that is meant: ``v3.0`` or ``3.0``, the latest without one.

    Raises:
        StoreError: if there is no such table or version.
    """
    known = versions(results, table)
    if not known:
        there = ", ".join(tables(results)) or "none"
        raise StoreError(
            f"no published table '{table}' in {results} (there: {there}); rbsnn run publishes one, and --results names "
            "another folder"
        )
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


def find_record(results: Path, prefix: str) -> Record:
    """The record behind a number of any published table, by the first characters of its key.

    Raises:
        StoreError: if no record, or more than one, has such a key, or it is damaged.
    """
    found = {
        key: line
        for table in tables(results)
        for version in versions(results, table)
        for key, line in record_lines(results, table, version).items()
        if key.startswith(prefix)
    }
    if len(found) != 1:
        raise StoreError(f"{len(found) or 'no'} records of the tables in {results} begin with '{prefix}'")
    try:
        return Record.model_validate_json(*found.values())
    except ValidationError as error:
        raise StoreError(f"the record {prefix} in {results} is damaged: {error.errors()[0]['msg']}") from None
