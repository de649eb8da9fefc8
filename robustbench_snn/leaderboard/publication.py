"""Publishes a table as its next version, which nothing ever edits."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.carrying import carried_over, extended
from robustbench_snn.leaderboard.content import Base, Content, read_content, write_content
from robustbench_snn.leaderboard.index import write_index
from robustbench_snn.leaderboard.manifest import link_to, read_manifest, version_of, write_manifest
from robustbench_snn.leaderboard.origins import marked
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.table import LAYOUT, Table
from robustbench_snn.leaderboard.versions import Version, load_table, versions, weights_before
from robustbench_snn.leaderboard.withdrawal import FILE as WITHDRAWN
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.store.claims import locked
from robustbench_snn.store.durable import place, scratch_folder
from robustbench_snn.store.leftovers import sweep_results
from robustbench_snn.store.os_errors import told
from robustbench_snn.store.records import Record


@dataclass(frozen=True)
class Prepared:
    """A table as it would be published.

    Attributes:
        content: with the entries that carry over.
        version: the next one.
        last: the latest one; None if there is none.
        before: its content; None if it has another protocol or schema, or was withdrawn.
        source: folder of the version that it extends; the versions up to it are copied to where it is published.
    """

    content: Content
    version: Version
    last: Version | None
    before: Content | None
    source: Path | None = None


def publish(table: Table, outcomes: Outcomes, records: Iterable[Record], results: Path) -> Path:
    """Writes a table as its next version, and the index of all tables.

    Intervals, comparisons, corrections and ranks of the whole table, with the entries that carry over, are made anew.

    Args:
        table: what to publish.
        outcomes: every seed's, per sample.
        records: of the cells that its numbers come from.
        results: folder of all tables.

    Returns:
        The folder of the new version.

    Raises:
        StoreError: if the folder cannot be written; nothing is left half-written.
    """
    with publishing(results, table.name):
        return publish_prepared(prepare(table, outcomes, records, results), results)


@contextmanager
def publishing(results: Path, table: str) -> Iterator[None]:
    """One process at a time prepares and publishes a table: the next one does so on top of what this one published.

    What processes that were killed left half written of it is removed first.

    A folder that takes no files is not locked: nothing can be published there, which is said when it is tried.

    Args:
        results: folder of all tables.
        table: its name.

    Raises:
        StoreError: if another process holds it for too long.
    """
    with ExitStack() as stack:
        if not results.exists():
            stack.callback(_remove_empty, results)
        with suppress(StoreWriteError):
            stack.enter_context(locked(results / table, "publishing"))
            sweep_results(results, table)
        yield


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def prepare(
    table: Table,
    outcomes: Outcomes,
    records: Iterable[Record],
    results: Path,
    *,
    base: Base | None = None,
    weights: Mapping[str, Path] | None = None,
) -> Prepared:
    """What :func:`publish` would write, which has the same first arguments.

    Args:
        table: what to publish.
        outcomes: every seed's, per sample.
        records: of the cells that its numbers come from.
        results: folder of all tables.
        base: the version that the table's rows are added to, under its name; the latest in ``results`` without it.
        weights: see :class:`Content`.

    Raises:
        StoreError: if the base is not the latest version of its table in ``results``.
    """
    lines = {record.key: record.model_dump_json() for record in records if record.failure is None}
    content = Content(table, outcomes, lines, weights or {})
    if base is not None:
        check_latest(base, results)
        whole = _assessed(extended(base.content, content))
        following = Version(base.version.major, base.version.minor + 1)
        return Prepared(whole, following, base.version, base.content, base.folder)
    known = versions(results, table.name)
    if not known:
        return Prepared(_assessed(content), Version(1, 0), None, None)
    last = known[-1]
    latest = load_table(results, table.name, last)
    withdrawn = str(last) in withdrawals(results, table.name)
    if not isinstance(latest, Table) or withdrawn or latest.protocol_hash != table.protocol_hash:
        return Prepared(_assessed(content), Version(last.major + 1, 0), last, None)
    before = read_content(latest, results / table.name / str(last))
    whole = _assessed(carried_over(before, content))
    return Prepared(whole, Version(last.major, last.minor + 1), last, before)


def check_latest(base: Base, results: Path) -> None:
    """Makes sure that a version may be extended in this folder.

    Raises:
        StoreError: if the folder has a later version of its table, or another one of the same number.
    """
    name, ours = base.content.table.name, results / base.content.table.name
    known = versions(results, name)
    if known and known[-1] > base.version:
        raise StoreError(f"{ours} has {known[-1]}, which follows {base.version}; extend that one: --onto {ours}")
    if known and known[-1] < base.version:
        raise StoreError(
            f"{ours} ends with {known[-1]}, and {base.folder} is {base.version}; copy the versions between, or name "
            "another --results"
        )
    if known and link_to(ours / str(base.version)).sha256 != link_to(base.folder).sha256:
        raise StoreError(f"{ours / str(base.version)} and {base.folder} differ; name another --results")


def incomplete(base: Base, results: Path) -> list[str]:
    """Why a version cannot be followed by one that anybody could check: the version before it is nowhere."""
    manifest, name = read_manifest(base.folder), base.content.table.name
    link = None if manifest is None else manifest.previous
    beside = [base.folder.parent, results / name]
    if link is None or any((folder / link.version / "table.json").is_file() for folder in beside):
        return []
    return [f"{link.version}, which {base.version} follows, is neither beside {base.folder} nor in {results / name}"]


def _assessed(content: Content) -> Content:
    """The content with all that the table says of its accuracies, and of where they come from, made anew."""
    table = marked(assess(content.table, content.outcomes), content.records)
    return replace(content, table=table.model_copy(update={"layout": LAYOUT}))


def publish_prepared(prepared: Prepared, results: Path) -> Path:
    """Writes the next version; returns and raises what :func:`publish` does, and belongs within :func:`publishing`."""
    name, version = prepared.content.table.name, str(prepared.version)
    folder = results / name / version
    try:
        if prepared.source is not None:
            _adopt(prepared.source, results / name)
        with scratch_folder(folder) as scratch:
            write_content(prepared.content, version, scratch, weights_before(folder))
            write_manifest(scratch, name, version, results / name / str(prepared.last) if prepared.last else None)
            if not place(scratch, folder):
                raise StoreError(f"another process has published {folder} by now; every record is kept: run again")
    except OSError as error:
        raise StoreWriteError(
            f"the leaderboard cannot be written to {folder}: {told(error, folder)}; every record is kept: "
            "mend that, or name another --results, and run the suite again"
        ) from error
    write_index(results)
    return folder


def _adopt(source: Path, folder: Path) -> None:
    """Copies a version, and those before it that lie beside it, into a table's folder, where they are not there."""
    beside = versions(source.parent.parent, source.parent.name) if source.name.startswith("v") else []
    last = version_of(source)
    for version in [found for found in beside if last is None or found < last]:
        _copy(source.parent / str(version), folder / str(version))
    _copy(source, folder / str(last))
    if (notes := source.parent / WITHDRAWN).is_file() and beside and not (folder / WITHDRAWN).exists():
        shutil.copyfile(notes, folder / WITHDRAWN)


def _copy(version: Path, to: Path) -> None:
    if not to.exists():
        with scratch_folder(to) as scratch:
            shutil.copytree(version, scratch, symlinks=True, dirs_exist_ok=True)
            place(scratch, to)
