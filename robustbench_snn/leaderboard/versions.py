"""Immutable versions of published tables: results/<table>/v<major>.<minor>/.

The major number changes with the protocol (data, samples, evaluations): numbers no longer compare. The minor one
changes when entries are added or measured again under the same protocol; entries that were not measured again
carry over. A published version is never edited.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from robustbench_snn.digests import file_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.schema1.table import FirstTable
from robustbench_snn.leaderboard.table import AnyTable, Table
from robustbench_snn.reading import GIB, read_text
from robustbench_snn.store.os_errors import unreadable
from robustbench_snn.store.records import Record

RESTORE = "restore it from version control"
"""What to do about a published file that is missing or damaged."""

MOST_BYTES = 4 * GIB
"""Most bytes of a table, and of its records."""

_FOLDER = re.compile(r"^v(\d+)\.(\d+)$")


@dataclass(frozen=True, order=True)
class Version:
    """A published version; later ones are greater."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"


def parse_version(name: str) -> Version | None:
    """The version of this name (``v1.0``); None if it is none."""
    match = _FOLDER.match(name)
    return None if match is None else Version(int(match[1]), int(match[2]))


def versions(results: Path, table: str) -> list[Version]:
    """All published versions of a table, oldest first."""
    folder = results / table
    found = (parse_version(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
    return sorted(version for version in found if version)


def tables(results: Path) -> list[str]:
    """Names of all tables with a published version."""
    if not results.is_dir():
        return []
    return sorted(entry.name for entry in results.iterdir() if entry.is_dir() and versions(results, entry.name))


def load_table(results: Path, table: str, version: Version | None = None) -> AnyTable:
    """Reads a published table of any schema, the latest unless told otherwise.

    Raises:
        StoreError: if there is none, or its file is damaged.
    """
    known = versions(results, table)
    if not known:
        there = ", ".join(tables(results)) or "none"
        raise StoreError(f"no published table '{table}' in {results} (there: {there}); rbsnn run publishes one")
    chosen = version or known[-1]
    if chosen not in known:
        raise StoreError(f"table '{table}' has no version {chosen}; there are {', '.join(map(str, known))}")
    return read_table(results / table / str(chosen))


def read_table(folder: Path) -> AnyTable:
    """Reads the table of any schema of the version, or draft, in a folder.

    Raises:
        StoreError: if its file is missing or damaged.
    """
    path = folder / "table.json"
    try:
        text = read_text(path, MOST_BYTES)
        first = json.loads(text).get("schema_version") == 1
        return FirstTable.model_validate_json(text) if first else Table.model_validate_json(text)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise unreadable(path, error, RESTORE) from None


def load_record(results: Path, table: str, version: Version, prefix: str) -> Record:
    """The record behind a number of a published table, by the first characters of its key.

    Raises:
        StoreError: if no record, or more than one, has such a key, or it is damaged.
    """
    lines = record_lines(results, table, version)
    found = [line for key, line in lines.items() if key.startswith(prefix)]
    if len(found) != 1:
        raise StoreError(f"{len(found) or 'no'} records of {table} {version} begin with '{prefix}'")
    try:
        return Record.model_validate_json(found[0])
    except ValidationError as error:
        raise StoreError(f"the record {prefix} of {table} {version} is damaged: {error.errors()[0]['msg']}") from None


def weights_beside(folder: Path) -> dict[str, Path]:
    """The files of weights that a version holds, by the key of their training."""
    return {path.stem: path for path in sorted((folder / "weights").glob("*.safetensors"))}


def weights_before(folder: Path) -> dict[str, Path]:
    """The files of weights that earlier versions of the same major number hold; of a key's, the newest."""
    if (version := parse_version(folder.name)) is None:
        return {}
    known = versions(folder.parent.parent, folder.parent.name)
    earlier = [folder.parent / str(one) for one in known if one.major == version.major and one < version]
    return {key: path for one in earlier for key, path in weights_beside(one).items()}


def weights_of(folder: Path) -> dict[str, Path]:
    """The files of weights of a version: those beside it, and of earlier versions those that its records name."""
    ours = weights_beside(folder)
    earlier = {key: path for key, path in weights_before(folder).items() if key not in ours}
    lines = lines_of(folder) if earlier else {}
    for key, path in earlier.items():
        if key in lines and _digest_of_weights(lines[key]) == file_digest(path):
            ours[key] = path
    return ours


def weights_anywhere(results: Path, training: Record) -> Path | None:
    """The weights of a training in any version of any table: tables share rows."""
    for table in tables(results):
        for version in versions(results, table):
            path = weights_beside(results / table / str(version)).get(training.key)
            if path is not None and file_digest(path) == training.files.get("weights.safetensors"):
                return path
    return None


def record_lines(results: Path, table: str, version: Version) -> dict[str, str]:
    """The records behind a published table, as lines of JSON by key; raises what :func:`lines_of` does."""
    return lines_of(results / table / str(version))


def lines_of(folder: Path) -> dict[str, str]:
    """The records of the version in a folder, as lines of JSON by key.

    Raises:
        StoreError: if it is missing or damaged.
    """
    path = folder / "records.jsonl"
    try:
        lines = {json.loads(line)["key"]: line for line in read_text(path, MOST_BYTES).splitlines()}
        if odd := [key for key in lines if not isinstance(key, str)]:
            raise ValueError(f"{odd[0]!r} is no key")
        return lines
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable(path, error, RESTORE) from None


def _digest_of_weights(line: str) -> str | None:
    """Of the file that the record of a training names."""
    found: str | None = json.loads(line)["files"].get("weights.safetensors")
    return found
