"""What the pages of one published version show, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.manifest import Manifest, read_manifest
from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.sections import REPORTED, Section, sections
from robustbench_snn.leaderboard.schema1.pages import first_sections
from robustbench_snn.leaderboard.table import AnyTable, Row, Table
from robustbench_snn.leaderboard.versions import Version, load_table, record_lines
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.publishing.names import file_names
from robustbench_snn.store.records import Record


@dataclass(frozen=True)
class Published:
    """A version with all that its pages need.

    Attributes:
        name: of the table.
        version: the version.
        table: its table, of any schema.
        withdrawn: why it no longer counts; empty where it does.
        manifest: None for versions that have none.
        records: by key; none for tables of schema 1, whose records have an older format.
        entries: file name of each model's page, without suffix.
        folder: where it was read from.
    """

    name: str
    version: Version
    table: AnyTable
    withdrawn: str
    manifest: Manifest | None
    records: Mapping[str, Record]
    entries: Mapping[str, str]
    folder: Path

    @property
    def finished(self) -> str:
        """The day of its latest record (UTC, ISO 8601); empty where no record tells."""
        return max((record.provenance.finished for record in self.records.values()), default="")[:10]

    def records_of(self, row: Row, label: str) -> list[Record]:
        """The records behind one number, by seed, in the order of the table."""
        keys = row.cells[label].records if label in row.cells else ()
        return sorted((self.records[key] for key in keys if key in self.records), key=lambda record: record.seed)


def read_published(results: Path, name: str, version: Version) -> Published:
    """Reads a version.

    Raises:
        StoreError: if its table or its records are missing or damaged.
    """
    table = load_table(results, name, version)
    folder = results / name / str(version)
    note = withdrawals(results, name).get(str(version))
    return Published(
        name=name,
        version=version,
        table=table,
        withdrawn=note.told() if note else "",
        manifest=read_manifest(folder),
        records=_records(results, name, version) if isinstance(table, Table) else {},
        entries=file_names(row.model for row in table.rows) if isinstance(table, Table) else {},
        folder=folder,
    )


def _records(results: Path, name: str, version: Version) -> dict[str, Record]:
    lines = record_lines(results, name, version)
    try:
        return {key: Record.model_validate_json(line) for key, line in lines.items()}
    except ValidationError as error:
        path = results / name / str(version) / "records.jsonl"
        raise StoreError(f"{path} is damaged ({error.errors()[0]['msg']}); restore it from version control") from None


_SHOWN_OTHERWISE = ("Ranks", "Besides accuracy", REPORTED)


def told(published: Published) -> list[Section]:
    """The sections of its text page: all of them for schema 1; the sentences and comparisons for later ones."""
    if isinstance(published.table, Table):
        return [section for section in sections(published.table) if section.title not in _SHOWN_OTHERWISE]
    found = [Section(title, Grid(*grid), lines) for title, grid, lines in first_sections(published.table)]
    return [Section(section.title.capitalize(), section.grid, section.lines) for section in found]
