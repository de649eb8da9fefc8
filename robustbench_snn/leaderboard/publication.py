"""Publishes a table as its next version, which nothing ever edits."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.aggregation import Outcomes
from robustbench_snn.leaderboard.pages import render_html, render_index, render_markdown
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.leaderboard.versions import Version, load_table, record_lines, tables, versions
from robustbench_snn.store.records import Column, Record
from robustbench_snn.store.store import read_samples, write_samples, write_text


@dataclass(frozen=True)
class Content:
    """All that a version holds, but for its number.

    Attributes:
        table: the table.
        columns: share correct of each sample, float (N,), by ``model/evaluation label``.
        records: the records that the numbers come from, as lines of JSON by key.
    """

    table: Table
    columns: Mapping[str, Column]
    records: Mapping[str, str]


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
    content = Content(
        table,
        {f"{model}/{label}": shares for (model, label), shares in outcomes.items()},
        {record.key: record.model_dump_json() for record in records if record.failure is None},
    )
    version = Version(1, 0)
    if known := versions(results, table.name):
        last = known[-1]
        same_protocol = load_table(results, table.name, last).protocol_hash == table.protocol_hash
        version = Version(last.major, last.minor + 1) if same_protocol else Version(last.major + 1, 0)
        if same_protocol:
            content = _carried_over(_published(results, table.name, last), content)
    folder = results / table.name / str(version)
    try:
        with _claimed(folder) as scratch:
            _write(content, version, scratch)
        write_index(results)
    except OSError as error:
        raise StoreError(
            f"the leaderboard cannot be written to {folder}: {error.strerror or error}; every record is kept: "
            "run the suite again with another --results"
        ) from None
    return folder


def write_index(results: Path) -> None:
    """Writes results/README.md, the list of all tables and versions."""
    known = {name: [str(version) for version in versions(results, name)] for name in tables(results)}
    newest = {name: load_table(results, name) for name in known}
    write_text(results / "README.md", render_index(newest, known))


def _published(results: Path, table: str, version: Version) -> Content:
    """A version as it was published."""
    columns = read_samples(results / table / str(version) / "samples.parquet")
    return Content(load_table(results, table, version), columns, record_lines(results, table, version))


def _carried_over(before: Content, new: Content) -> Content:
    """The new content with the entries of the version before that were not measured again."""
    measured = {row.model for row in new.table.rows}
    kept = [row for row in before.table.rows if row.model not in measured]
    names = {f"{row.model}/{label}" for row in kept for label in row.cells}
    columns = {name: column for name, column in before.columns.items() if name in names}
    return Content(
        new.table.model_copy(update={"rows": (*new.table.rows, *kept)}),
        {**columns, **new.columns},
        {**before.records, **new.records},
    )


@contextmanager
def _claimed(folder: Path) -> Iterator[Path]:
    """A folder to write a version into; on leaving it, the whole version appears at once, or not at all."""
    scratch = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        scratch.mkdir(parents=True)
        yield scratch
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(content: Content, version: Version, folder: Path) -> None:
    """Writes the files of a version: data, records, per-sample outcomes, pages."""
    table = content.table
    (folder / "table.json").write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    keys = {key for row in table.rows for key in (*row.training, *(k for s in row.cells.values() for k in s.records))}
    lines = [f"{content.records[key]}\n" for key in sorted(keys & set(content.records))]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    assert all(len(column) == table.samples for column in content.columns.values())  # the protocol fixes the samples
    write_samples(folder / "samples.parquet", {"sample": np.arange(table.samples), **content.columns})
    (folder / "leaderboard.md").write_text(render_markdown(table, str(version)), encoding="utf-8")
    (folder / "leaderboard.html").write_text(render_html(table, str(version)), encoding="utf-8")
