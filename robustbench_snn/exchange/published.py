"""A published version, or a draft, wherever it lies: found by name or path, and checked before it is believed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from robustbench_snn.errors import StoreError, UserError, did_you_mean
from robustbench_snn.leaderboard.content import Base, Content, read_content
from robustbench_snn.leaderboard.findings import Finding
from robustbench_snn.leaderboard.manifest import file_hashes, read_manifest, version_of
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.leaderboard.verification import wrong_content
from robustbench_snn.leaderboard.versions import Version, read_table, tables, versions
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.reading import MALFORMED
from robustbench_snn.spec.suite import MODEL_NAME, TABLE_NAME
from robustbench_snn.store.checks import same_result
from robustbench_snn.store.records import Record


@dataclass(frozen=True)
class Published:
    """A version or a draft that is what it says.

    Attributes:
        folder: where it lies.
        version: its number; None for a draft.
        content: what it holds.
    """

    folder: Path
    version: Version | None
    content: Content

    @property
    def table(self) -> Table:
        """Its table."""
        return self.content.table

    @property
    def title(self) -> str:
        """For messages: ``quickstart v3.0``."""
        return f"{self.table.name} {self.version or 'draft'}"

    @property
    def made_by(self) -> str:
        """For messages, the program that made its records: ``commit 0123456789ab``, or several."""
        commits = {made[:12] for record in self.records.values() if (made := record.provenance.git_commit)}
        return f"commit {', '.join(sorted(commits)) or 'unknown'}"

    @cached_property
    def records(self) -> Mapping[str, Record]:
        """Its records by key."""
        return {key: Record.model_validate_json(line) for key, line in self.content.records.items()}

    def row(self, model: str) -> Row:
        """The row of this name.

        Raises:
            UserError: if there is none.
        """
        for row in self.table.rows:
            if row.model == model:
                return row
        names = [row.model for row in self.table.rows]
        raise UserError(
            f"{self.title} has no model '{model}'.{did_you_mean(model, names)} There are: {', '.join(names)}"
        )

    def records_of(self, model: str) -> list[Record]:
        """The records behind a row, trainings first."""
        row = self.row(model)
        return [self.records[key] for key in (*row.training, *(k for s in row.cells.values() for k in s.records))]

    def holds(self, other: Published, model: str) -> bool:
        """Whether the row of this name here has all records of the other one's, with the same results."""
        ours, theirs = ({record.key: record for record in found.records_of(model)} for found in (self, other))
        return theirs.keys() <= ours.keys() and all(same_result(ours[key], theirs[key]) for key in theirs)

    def trainings(self, rows: Iterable[Row] | None = None) -> list[Record]:
        """The records of the trainings of some rows, or of all."""
        return [self.records[key] for row in (self.table.rows if rows is None else rows) for key in row.training]

    def base(self) -> Base:
        """It as what new entries are added to.

        Raises:
            UserError: if it is a draft.
        """
        if self.version is None:
            raise UserError(f"{self.folder} holds a draft of '{self.table.name}'; publish it before it is extended")
        return Base(self.folder, self.version, self.content)


def find_version(name: str, results: Path) -> Path:
    """The folder of a version: the latest of a table given by name or folder, or the folder itself.

    Args:
        name: a table in ``results``, or a path to a table's, a version's or a draft's folder.
        results: folder of the published tables.

    Raises:
        UserError: if there is none, or the latest is withdrawn.
    """
    for folder in (results / name, Path(name)):
        if (folder / "table.json").is_file():
            return folder
        folder = folder.resolve()  # "." has no name
        if known := versions(folder.parent, folder.name):
            latest = known[-1]
            if note := withdrawals(folder.parent, folder.name).get(str(latest)):
                raise UserError(f"{folder / str(latest)} is withdrawn: {note.told()}")
            return folder / str(latest)
    there = tables(results)
    raise UserError(
        f"no published table '{name}': neither in {results} (there: {', '.join(there) or 'none'}) nor a folder of one."
        + did_you_mean(name, there)
    )


def read_version(folder: Path) -> Published:
    """Reads and checks a version or a draft: hashes, records, keys, and every number from its outcomes.

    Raises:
        UserError: if it is of a format that compared networks over samples only.
        StoreError: if it cannot be read, or is not what it says.
    """
    if links := [path.name for path in folder.rglob("*") if path.is_symlink()]:
        raise StoreError(f"{folder} holds links ({', '.join(links)}); a published version holds files")
    table = read_table(folder)
    if not isinstance(table, Table):
        raise UserError(
            f"{folder} was published in format {table.schema_version}, whose comparisons ignore training seeds: its "
            "records cannot stand beside new ones. Publish the table anew: rbsnn run its suite"
        )
    _check_names(table)
    try:
        found = [*_wrong_files(folder), *wrong_content(table, folder, table.name)]
        content = read_content(table, folder)
    except MALFORMED as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise StoreError(f"{folder} is not what it says: {found[0]}{more}")
    return Published(folder, version_of(folder), content)


def _check_names(table: Table) -> None:
    """Names of files are made of these.

    Raises:
        StoreError: if a suite could not have them.
    """
    odd = [table.name] if not re.fullmatch(TABLE_NAME, table.name) or "\n" in table.name else []
    odd += [row.model for row in table.rows if not re.fullmatch(MODEL_NAME, row.model) or "\n" in row.model]
    if odd:
        raise StoreError(f"no suite could have named a table or a model {odd[0]!r}")


def _wrong_files(folder: Path) -> list[Finding]:
    manifest = read_manifest(folder)
    if manifest is None:  # a draft
        return []
    hashes = file_hashes(folder)
    return [
        Finding(name, "", "sha256", manifest.files.get(name), hashes.get(name))
        for name in sorted({*hashes, *manifest.files})
        if hashes.get(name) != manifest.files.get(name)
    ]
