"""What a version holds, read from its folder and written into one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robustbench_snn.digests import file_digest
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes, write_outcomes
from robustbench_snn.leaderboard.pages import render_pages
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.leaderboard.versions import Version, lines_of, weights_of


@dataclass(frozen=True)
class Content:
    """All that a version holds, but for its number.

    Attributes:
        table: the table.
        outcomes: every seed's, of all of its rows.
        records: the records that the numbers come from, as lines of JSON by key.
        weights: safetensors files by the key of the training that made them; as many as are to be published.
    """

    table: Table
    outcomes: Outcomes
    records: Mapping[str, str]
    weights: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Base:
    """A published version that new entries are added to, wherever it lies.

    Attributes:
        folder: of the version.
        version: its number.
        content: what it holds.
    """

    folder: Path
    version: Version
    content: Content


def read_content(table: Table, folder: Path) -> Content:
    """What a version with this table holds besides.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    return Content(table, read_outcomes(folder / "samples.parquet"), lines_of(folder), weights_of(folder))


def write_content(content: Content, version: str, folder: Path, earlier: Mapping[str, Path] | None = None) -> None:
    """Writes the files of a version: data, records, per-sample outcomes, pages.

    Args:
        content: what it holds.
        version: its number, or ``draft``.
        folder: where.
        earlier: weights that stand in earlier versions beside it, and are not written again.
    """
    write_data(content, folder, earlier)
    for name, page in render_pages(content.table, version).items():
        (folder / name).write_text(page, encoding="utf-8")


def write_data(content: Content, folder: Path, earlier: Mapping[str, Path] | None = None) -> None:
    """Writes the files of a version but its pages; see :func:`write_content`."""
    table = content.table
    (folder / "table.json").write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    keys = {key for row in table.rows for key in (*row.training, *(k for s in row.cells.values() for k in s.records))}
    lines = [f"{content.records[key]}\n" for key in sorted(keys & set(content.records))]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    write_outcomes(folder / "samples.parquet", content.outcomes)
    there = {(key, file_digest(path)) for key, path in (earlier or {}).items()}
    for key in sorted(keys & set(content.weights)):
        if (key, file_digest(content.weights[key])) in there:
            continue
        (folder / "weights").mkdir(exist_ok=True)
        shutil.copyfile(content.weights[key], folder / "weights" / f"{key}.safetensors")
