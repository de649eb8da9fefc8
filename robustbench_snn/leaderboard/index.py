"""The lists of all published tables: results/README.md for people, results/index.json for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from robustbench_snn.digests import file_digest
from robustbench_snn.errors import StoreWriteError
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
SCHEMA_VERSION = 1


def write_index(results: Path) -> None:
    """Writes both lists anew, one process at a time.

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
    known = {name: [str(version) for version in versions(results, name)] for name in tables(results)}
    newest = {name: load_table(results, name) for name in known}
    withdrawn = {name: {version: note.told() for version, note in withdrawals(results, name).items()} for name in known}
    write_text(results / "README.md", render_index(newest, known, withdrawn))
    write_text(results / FILE, json.dumps(make_index(results), indent=1) + "\n")


def make_index(results: Path) -> dict[str, Any]:
    """Tables, their versions, oldest first, which are withdrawn and why, and the sha256 of every file."""
    return {"schema_version": SCHEMA_VERSION, "tables": {name: _table(results, name) for name in tables(results)}}


def wrong_index(results: Path) -> Iterator[Finding]:
    """Where ``index.json`` is not what the folder holds."""
    path = results / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        yield Finding(FILE, "", "", "an index (publishing and rbsnn leaderboard index write it)", error)
        return
    yield from differences(FILE, "", make_index(results), found)


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
