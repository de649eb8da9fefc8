"""Publishes a table as its next version, which nothing ever edits."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.manifest import write_manifest
from robustbench_snn.leaderboard.outcomes import Outcomes, aligned, read_outcomes, write_outcomes
from robustbench_snn.leaderboard.pages import render_html, render_index, render_markdown
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.leaderboard.versions import Version, load_table, record_lines, tables, versions
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.plan.keys import content_key
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import write_text


@dataclass(frozen=True)
class Content:
    """All that a version holds, but for its number.

    Attributes:
        table: the table.
        outcomes: every seed's, of all of its rows.
        records: the records that the numbers come from, as lines of JSON by key.
    """

    table: Table
    outcomes: Outcomes
    records: Mapping[str, str]


@dataclass(frozen=True)
class Prepared:
    """A table as it would be published.

    Attributes:
        content: with the entries that carry over.
        version: the next one.
        last: the latest one; None if there is none.
        before: its content; None if it has another protocol or schema, or was withdrawn.
    """

    content: Content
    version: Version
    last: Version | None
    before: Content | None


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
    return publish_prepared(prepare(table, outcomes, records, results), results)


def prepare(table: Table, outcomes: Outcomes, records: Iterable[Record], results: Path) -> Prepared:
    """What :func:`publish` would write, which has the same arguments."""
    content = Content(
        table,
        outcomes,
        {record.key: record.model_dump_json() for record in records if record.failure is None},
    )
    known = versions(results, table.name)
    if not known:
        return Prepared(_assessed(content), Version(1, 0), None, None)
    last = known[-1]
    latest = load_table(results, table.name, last)
    withdrawn = str(last) in withdrawals(results, table.name)
    if not isinstance(latest, Table) or withdrawn or latest.protocol_hash != table.protocol_hash:
        return Prepared(_assessed(content), Version(last.major + 1, 0), last, None)
    before = _published(results, latest, last)
    whole = _assessed(_carried_over(before, content))
    return Prepared(whole, Version(last.major, last.minor + 1), last, before)


def _assessed(content: Content) -> Content:
    """The content with all that the table says of its accuracies made anew."""
    return replace(content, table=assess(content.table, content.outcomes))


def publish_prepared(prepared: Prepared, results: Path) -> Path:
    """Writes the next version; returns and raises what :func:`publish` does."""
    name, version = prepared.content.table.name, str(prepared.version)
    folder = results / name / version
    try:
        with _claimed(folder) as scratch:
            write_content(prepared.content, version, scratch)
            write_manifest(scratch, name, version, results / name / str(prepared.last) if prepared.last else None)
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
    withdrawn = {name: {version: note.told() for version, note in withdrawals(results, name).items()} for name in known}
    write_text(results / "README.md", render_index(newest, known, withdrawn))


def _published(results: Path, table: Table, version: Version) -> Content:
    """A version as it was published."""
    outcomes = read_outcomes(results / table.name / str(version) / "samples.parquet")
    return Content(table, outcomes, record_lines(results, table.name, version))


def _carried_over(before: Content, new: Content) -> Content:
    """The new content with the entries of the version before that were not measured again.

    What an entry was measured with is told by the resolved evaluation, never by the label of its column. A suite
    without a baseline takes that of the version before, with its confidence and correction.
    """
    measured = {row.model for row in new.table.rows}
    labels = _same_evaluations(before.table, new.table)
    kept = [_relabelled(row, labels) for row in before.table.rows if row.model not in measured]
    names = {row.model for row in kept}
    carried = {
        (model, labels[label]): {
            seed: aligned(new.outcomes.samples, before.outcomes.samples, shares, model)
            for seed, shares in by_seed.items()
        }
        for (model, label), by_seed in before.outcomes.by_seed.items()
        if model in names and label in labels
    }
    outcomes = Outcomes(new.outcomes.samples, {**new.outcomes.by_seed, **carried})
    changes: dict[str, object] = {"rows": (*new.table.rows, *kept)}
    if new.table.baseline is None:
        changes |= {name: getattr(before.table, name) for name in ("baseline", "confidence", "correction")}
    return Content(new.table.model_copy(update=changes), outcomes, {**before.records, **new.records})


def _same_evaluations(before: Table, new: Table) -> dict[str, str]:
    """The label in the new table of each evaluation of the one before, by its label there."""
    theirs, ours = _labels(before), _labels(new)
    return {label: ours[content] for content, label in theirs.items() if content in ours}


def _labels(table: Table) -> dict[tuple[str, int], str]:
    """Labels by resolved evaluation; one that is listed more than once is told apart by its order."""
    found: dict[tuple[str, int], str] = {}
    for evaluation in table.protocol["evaluations"]:
        content = content_key(**{name: value for name, value in evaluation.items() if name != "label"})
        found[content, sum(known == content for known, _ in found)] = evaluation["label"]
    return found


def _relabelled(row: Row, labels: Mapping[str, str]) -> Row:
    changes = {
        name: {labels.get(label, label): value for label, value in held.items() if label in labels or label == "train"}
        for name, held in (("cells", row.cells), ("gaps", row.gaps), ("failures", row.failures))
    }
    return row.model_copy(update=changes)


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


def write_content(content: Content, version: str, folder: Path) -> None:
    """Writes the files of a version: data, records, per-sample outcomes, pages."""
    table = content.table
    (folder / "table.json").write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    keys = {key for row in table.rows for key in (*row.training, *(k for s in row.cells.values() for k in s.records))}
    lines = [f"{content.records[key]}\n" for key in sorted(keys & set(content.records))]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    write_outcomes(folder / "samples.parquet", content.outcomes)
    (folder / "leaderboard.md").write_text(render_markdown(table, version), encoding="utf-8")
    (folder / "leaderboard.html").write_text(render_html(table, version), encoding="utf-8")
