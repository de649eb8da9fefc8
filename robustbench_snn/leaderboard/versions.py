"""Immutable versions of published tables: results/<table>/v<major>.<minor>/.

The major number changes with the protocol (data, samples, evaluations): numbers no longer compare. The minor one
changes when entries are added or measured again under the same protocol; entries that were not measured again
carry over. A published version is never edited.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from robustbench_snn.columns import Column
from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.pages import render_html, render_index, render_markdown
from robustbench_snn.leaderboard.table import Outcomes, Row, Table
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import read_samples, write_samples, write_text

_FOLDER = re.compile(r"^v(\d+)\.(\d+)$")


@dataclass(frozen=True, order=True)
class Version:
    """A published version; later ones are greater."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"


def versions(results: Path, table: str) -> list[Version]:
    """All published versions of a table, oldest first."""
    folder = results / table
    found = (_FOLDER.match(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
    return sorted(Version(int(match[1]), int(match[2])) for match in found if match)


def tables(results: Path) -> list[str]:
    """Names of all tables with a published version."""
    if not results.is_dir():
        return []
    return sorted(entry.name for entry in results.iterdir() if entry.is_dir() and versions(results, entry.name))


def load_table(results: Path, table: str, version: Version | None = None) -> Table:
    """Reads a published table, the latest unless told otherwise.

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
    path = results / table / str(chosen) / "table.json"
    try:
        return Table.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise StoreError(f"{path} is damaged ({str(error).splitlines()[0]}); restore it from version control") from None


def publish(table: Table, outcomes: Outcomes, records: Iterable[Record], results: Path) -> Path:
    """Writes a table as its next version, and the index of all tables.

    Args:
        table: what to publish.
        outcomes: per-sample shares correct, by (model, evaluation label).
        records: of the cells that its numbers come from.
        results: folder of all tables.

    Returns:
        The folder of the new version.

    Raises:
        StoreError: if the folder cannot be written; nothing is left half-written.
    """
    known = versions(results, table.name)
    version = Version(1, 0)
    columns = {f"{model}/{label}": shares for (model, label), shares in outcomes.items()}
    lines = {record.key: record.model_dump_json() for record in records if record.failure is None}
    if known:
        latest, last = load_table(results, table.name), known[-1]
        if latest.protocol_hash == table.protocol_hash:
            version = Version(last.major, last.minor + 1)
            before = results / table.name / str(last)
            table, columns = _carry_over(table, columns, latest, before)
            lines = _read_lines(before / "records.jsonl") | lines
        else:
            version = Version(last.major + 1, 0)
    folder = results / table.name / str(version)
    scratch = folder.with_name(f".{version}.{uuid.uuid4().hex}.tmp")
    try:
        scratch.mkdir(parents=True)
        (scratch / "table.json").write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
        wanted = sorted({key for row in table.rows for key in _keys(row)} & set(lines))
        (scratch / "records.jsonl").write_text("".join(f"{lines[key]}\n" for key in wanted), encoding="utf-8")
        write_samples(scratch / "samples.parquet", _aligned(columns, table.samples))
        (scratch / "leaderboard.md").write_text(render_markdown(table, str(version)), encoding="utf-8")
        (scratch / "leaderboard.html").write_text(render_html(table, str(version)), encoding="utf-8")
        scratch.rename(folder)
        write_index(results)
    except OSError as error:
        raise StoreError(
            f"the leaderboard cannot be written to {folder}: {error.strerror or error}; every record is kept: "
            "run the suite again with another --results"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def write_index(results: Path) -> None:
    """Writes results/README.md, the list of all tables and versions."""
    known = {name: [str(version) for version in versions(results, name)] for name in tables(results)}
    newest = {name: load_table(results, name) for name in known}
    write_text(results / "README.md", render_index(newest, known))


def _carry_over(
    table: Table, columns: dict[str, Column], latest: Table, folder: Path
) -> tuple[Table, dict[str, Column]]:
    """Adds the entries of the latest version that were not measured again."""
    measured = {row.model for row in table.rows}
    kept = [row for row in latest.rows if row.model not in measured]
    before = {
        name: column
        for name, column in read_samples(folder / "samples.parquet").items()
        if any(name == f"{row.model}/{label}" for row in kept for label in row.cells)
    }
    return table.model_copy(update={"rows": (*table.rows, *kept)}), {**before, **columns}


def load_record(results: Path, table: str, version: Version, prefix: str) -> Record:
    """The record behind a number of a published table, by the first characters of its key.

    Raises:
        StoreError: if no record, or more than one, has such a key.
    """
    lines = _read_lines(results / table / str(version) / "records.jsonl")
    found = [line for key, line in lines.items() if key.startswith(prefix)]
    if len(found) != 1:
        raise StoreError(f"{len(found) or 'no'} records of {table} {version} begin with '{prefix}'")
    return Record.model_validate_json(found[0])


def _keys(row: Row) -> list[str]:
    return [*row.training, *(key for cell in row.cells.values() for key in cell.records)]


def _read_lines(path: Path) -> dict[str, str]:
    """Lines of a records file by key.

    Raises:
        StoreError: if it is missing or damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["key"]: line for line in lines}
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} is missing or damaged ({error}); restore it from version control") from None


def _aligned(columns: dict[str, Column], samples: int) -> dict[str, Column]:
    """The columns under a row number; every one has a value a sample, as the protocol fixes the samples."""
    assert all(len(column) == samples for column in columns.values())
    return {"sample": np.arange(samples), **columns}
