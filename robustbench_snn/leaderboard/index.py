"""The lists of all published tables: results/README.md for people, results/index.json for programs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from robustbench_snn.digests import file_digest
from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.leaderboard.findings import Finding, differences
from robustbench_snn.leaderboard.manifest import FILE as MANIFEST
from robustbench_snn.leaderboard.manifest import file_hashes
from robustbench_snn.leaderboard.pages import render_index
from robustbench_snn.leaderboard.versions import load_table, read_table, tables, versions
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.store.claims import locked
from robustbench_snn.store.durable import write_text
from robustbench_snn.store.os_errors import writing

FILE = "index.json"
PAGE = "README.md"
SCHEMA_VERSION = 1


def write_index(results: Path) -> None:
    """Writes both lists anew, one process at a time; a damaged table is left out, with a warning, and stops no suite.

    Raises:
        StoreWriteError: if they cannot be written.
    """
    with locked(results / FILE, "writing"), writing(results / FILE, "--results"):
        _write_index(results)


def complete_index(results: Path, table: str, version: str) -> None:
    """Writes both lists anew if they lack a version: whoever published it was stopped before it wrote them."""
    try:
        tables_there = json.loads((results / FILE).read_text(encoding="utf-8"))["tables"]
        listed = version in [found["version"] for found in tables_there[table]["versions"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        listed = False
    if not listed:
        with suppress(StoreWriteError):  # a folder that takes no files keeps its lists
            write_index(results)


def _write_index(results: Path) -> None:
    index, damaged = _read_all(results)
    for name, reason in damaged.items():
        warnings.warn(f"the table {name} is left out of the lists in {results}: {reason}", stacklevel=3)
    write_text(results / PAGE, _page(results, index))
    write_text(results / FILE, json.dumps(_whole(index), indent=1) + "\n")


def _page(results: Path, index: dict[str, Any]) -> str:
    known = {name: [version["version"] for version in table["versions"]] for name, table in index.items()}
    newest = {name: load_table(results, name) for name in known}
    withdrawn = {name: {version: note.told() for version, note in withdrawals(results, name).items()} for name in known}
    return render_index(newest, known, withdrawn)


def make_index(results: Path) -> dict[str, Any]:
    """Tables, their versions, oldest first, which are withdrawn and why, and the sha256 of every file.

    Tables that are damaged are left out.
    """
    return _whole(_read_all(results)[0])


def _whole(index: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "tables": index}


def _read_all(results: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What the index says of every table that can be read, and why the others cannot."""
    index, damaged = {}, {}
    for name in tables(results):
        try:
            index[name] = _table(results, name)
        except (StoreError, OSError) as error:
            damaged[name] = str(error)
    return index, damaged


def wrong_index(results: Path) -> Iterator[Finding]:
    """Where ``index.json`` and ``README.md`` are not what the folder holds."""
    path = results / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        yield Finding(FILE, "", "", "an index (publishing and rbsnn leaderboard index write it)", error)
        return
    index, damaged = _read_all(results)
    for name, reason in damaged.items():
        yield Finding(name, "", "", "a table that can be read", reason)
    yield from differences(FILE, "", _whole(index), found)
    try:
        page = (results / PAGE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        page = str(error)
    for number, (ours, theirs) in enumerate(zip_longest(_page(results, index).splitlines(), page.splitlines()), 1):
        if ours != theirs:
            yield Finding(PAGE, f"line {number}", "", ours, theirs)
            break


def _table(results: Path, name: str) -> dict[str, Any]:
    known, notes = versions(results, name), withdrawals(results, name)
    standing = [str(version) for version in known if str(version) not in notes]
    return {
        "title": load_table(results, name).title,
        "newest": standing[-1] if standing else None,
        "versions": [
            _version(results / name / str(version)) | {"withdrawn": note.told() if note else None}
            for version in known
            for note in [notes.get(str(version))]
        ],
    }


def _version(folder: Path) -> dict[str, Any]:
    table, files = read_table(folder), file_hashes(folder)
    if (folder / MANIFEST).is_file():
        files[MANIFEST] = file_digest(folder / MANIFEST)
    return {
        "version": folder.name,
        "protocol_hash": table.protocol_hash,
        "dataset": table.dataset,
        "samples": table.samples,
        "evaluations": list(table.columns),
        "models": [row.model for row in table.rows],
        "files": files,
    }
