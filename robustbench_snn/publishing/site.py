"""All files of the web site of a folder of published tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import robustbench_snn
from robustbench_snn.errors import StoreError
from robustbench_snn.evaluation.flags import FLAGS
from robustbench_snn.leaderboard.pages.grid import reported_number
from robustbench_snn.leaderboard.pages.sections import REPORTED_NOTE
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.leaderboard.versions import tables, versions
from robustbench_snn.publishing.about import parts
from robustbench_snn.publishing.columns import GROUPS, Column, columns
from robustbench_snn.publishing.corrupted import SHOWN
from robustbench_snn.publishing.figures import entry_figures, table_figures
from robustbench_snn.publishing.gallery import Gallery, OfEntry
from robustbench_snn.publishing.history import changes
from robustbench_snn.publishing.numbers import anchor, number, spread
from robustbench_snn.publishing.rendering import FOLDER, render
from robustbench_snn.publishing.reproduction import reproduce
from robustbench_snn.publishing.version_page import Published, read_published, told

File = tuple[str, bytes]
"""Path within the folder, with forward slashes, and content."""

DATA = ("table.json", "records.jsonl", "samples.parquet", "manifest.json")
"""Files of a version that the site holds as they were published."""


def site_files(results: Path, gallery: Gallery | None = None) -> Iterator[File]:
    """All files of the site, the index first.

    Args:
        results: folder of the published tables.
        gallery: makes the pictures, and tells afterwards what it could not; one without a store if None.

    Raises:
        StoreError: if there is no table, or one is damaged.
    """
    names = tables(results)
    if not names:
        raise StoreError(f"no published tables in {results}; rbsnn run SUITE publishes one")
    pictures = gallery or Gallery()
    known = {name: [read_published(results, name, version) for version in versions(results, name)] for name in names}
    yield "index.html", render("index.html", "", tables=known, program=robustbench_snn.__version__)
    yield ".nojekyll", b""
    yield from _assets()
    for name, published in known.items():
        yield f"{name}/index.html", _history(published)
        for one in published:
            yield from _version(one, published, pictures)


def _assets() -> Iterator[File]:
    for path in sorted((FOLDER / "assets").rglob("*")):
        if path.is_file():
            yield f"assets/{path.relative_to(FOLDER / 'assets').as_posix()}", path.read_bytes()


def _history(published: Sequence[Published]) -> bytes:
    steps = [(older, newer, changes(older.table, newer.table)) for older, newer in pairwise(published)]
    return render("history.html", "../", published=published, steps=steps[::-1], latest=published[-1])


def _version(one: Published, published: Sequence[Published], gallery: Gallery) -> Iterator[File]:
    base = f"{one.name}/{one.version}"
    for data in DATA:
        if (one.folder / data).is_file():
            yield f"{base}/{data}", (one.folder / data).read_bytes()
    here = {"one": one, "published": published, "files": [data for data in DATA if (one.folder / data).is_file()]}
    if not isinstance(one.table, Table):
        yield f"{base}/index.html", render("first.html", "../../", sections=told(one), **here)
        return
    table, shown, pictures = one.table, columns(one.table), gallery.of_table(one, one.table)
    drawn = [(name, f"corrupted-{number}.png") for number, name in enumerate(pictures.corrupted, 1)]
    for name, file in drawn:
        yield f"{base}/{file}", pictures.corrupted[name]
    yield (
        f"{base}/index.html",
        render(
            "table.html",
            "../../",
            sections=told(one),
            table=table,
            columns=shown,
            groups=_groups(shown),
            rows=[(row, [number(table, row, column) for column in shown]) for row in table.rows],
            figures=table_figures(table, shown, one.records),
            corrupted=drawn,
            severities=SHOWN,
            no_pictures=pictures.missing,
            reported_number=reported_number,
            reported_note=REPORTED_NOTE,
            flags=_flags(table),
            **here,
        ),
    )
    for row in table.rows:
        yield from _entry(one, table, row, shown, gallery.of_entry(one, table, row))


def _entry(one: Published, table: Table, row: Row, shown: Sequence[Column], drawn: OfEntry) -> Iterator[File]:
    base = f"{one.name}/{one.version}/entries"
    for file, content in drawn.attacks.items():
        yield f"{base}/{one.entries[row.model]}-{file}", content
    if drawn.spikes and drawn.spikes.picture:
        yield f"{base}/{one.entries[row.model]}-spikes.png", drawn.spikes.picture
    evaluations = [
        (label, anchor(table, label), row.cells.get(label), one.records_of(row, label)) for label in table.columns
    ]
    page = render(
        "entry.html",
        "../../../",
        one=one,
        table=table,
        row=row,
        parts=parts(row.identity),
        numbers=[(column, number(table, row, column)) for column in shown],
        evaluations=evaluations,
        training=[one.records[key] for key in row.training if key in one.records],
        figures=entry_figures(table, row, one.records),
        pictures=drawn,
        reproduce=reproduce,
        spread=spread,
        flags=FLAGS,
        as_json=lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    )
    yield f"{base}/{one.entries[row.model]}.html", page


def _groups(shown: Sequence[Column]) -> list[tuple[str, int]]:
    """The groups that have columns, with the number of them."""
    counts = [(group, sum(column.group == group for column in shown)) for group in GROUPS]
    return [(group, count) for group, count in counts if count]


def _flags(table: Table) -> dict[str, str]:
    """The flags of a table with what they mean."""
    there = sorted({flag for row in table.rows for score in row.cells.values() for flag in score.flags})
    return {flag: FLAGS.get(flag, "This program does not know this flag.") for flag in there}
