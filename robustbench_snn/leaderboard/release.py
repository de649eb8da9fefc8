"""What becomes of a finished table: the next version, a draft, or nothing where the latest version says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from robustbench_snn.errors import StoreWriteError
from robustbench_snn.leaderboard.content import Base, Content, write_content
from robustbench_snn.leaderboard.index import complete_index
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.publication import Prepared, incomplete, prepare, publish_prepared, publishing
from robustbench_snn.leaderboard.table import LAYOUT, Table
from robustbench_snn.machine import program_state
from robustbench_snn.store.durable import scratch_folder, swap
from robustbench_snn.store.os_errors import told
from robustbench_snn.store.records import Record

Mode = Literal["auto", "publish", "draft"]
"""Where a table goes: where it belongs, among the published ones if at all possible, or among the drafts."""


@dataclass(frozen=True)
class Released:
    """What became of a table.

    Attributes:
        status: ``published`` as a new version, written as a ``draft``, or the latest version ``stands``.
        folder: of the version or the draft.
        label: ``v<major>.<minor>``, or ``draft``.
        table: as written there.
        reasons: why it is a draft.
    """

    status: Literal["published", "draft", "stands"]
    folder: Path
    label: str
    table: Table
    reasons: tuple[str, ...] = ()


def release(
    table: Table,
    outcomes: Outcomes,
    records: Sequence[Record],
    *,
    results: Path,
    drafts: Path,
    mode: Mode = "auto",
    reasons: Sequence[str] = (),
    base: Base | None = None,
    weights: Mapping[str, Path] | None = None,
) -> Released:
    """Publishes a table, or writes it as a draft.

    Args:
        table: with all rows that were measured.
        outcomes: per sample.
        records: of all cells, failed ones among them.
        results: folder of all published tables.
        drafts: folder of all drafts.
        mode: ``publish`` overrules every reason but a failed cell.
        reasons: the caller's, why this should be a draft.
        base: the version that the rows are added to; the latest in ``results`` without it.
        weights: files to publish, by the key of their training.

    Raises:
        StoreError: if the folder cannot be written, or the base is not the latest version there.
    """
    with publishing(results, table.name):
        prepared = prepare(table, outcomes, records, results, base=base, weights=weights)
        return _released(prepared, records, results, drafts, mode, reasons, base)


def _released(
    prepared: Prepared,
    records: Sequence[Record],
    results: Path,
    drafts: Path,
    mode: Mode,
    reasons: Sequence[str],
    base: Base | None,
) -> Released:
    table = prepared.content.table
    if mode == "draft":
        return _draft(prepared, drafts, ("asked for with --draft",))
    if prepared.before is not None and prepared.last is not None and same(prepared.content, prepared.before):
        folder = prepared.source or results / table.name / str(prepared.last)
        if prepared.source is None:
            complete_index(results, table.name, str(prepared.last))
        return Released("stands", folder, str(prepared.last), table)
    failed = sum(record.failure is not None for record in records)
    why = [f"{failed} cells failed"] if failed else []
    why += incomplete(base, results) if base is not None else []
    if mode == "auto":
        why += [*reasons, *doubts(records)]
    if why:
        return _draft(prepared, drafts, tuple(why))
    folder = publish_prepared(prepared, results)
    return Released("published", folder, folder.name, prepared.content.table)


def doubts(records: Sequence[Record]) -> list[str]:
    """Why numbers are not to be published: nobody could tell what program made them, or they are for development."""
    found = []
    state = program_state()
    if state != "clean":
        found.append(f"the program's working tree is {state}")
    done = [record for record in records if record.failure is None]
    if dirty := sum(record.provenance.git_dirty is True for record in done):
        found.append(f"{dirty} of {len(done)} records were made by a program with uncommitted changes")
    unknown = [record for record in done if record.provenance.git_commit is None]
    if nameless := sum("robustbench_snn" not in record.provenance.packages for record in unknown):
        found.append(f"{nameless} of {len(done)} records were made by a program of unknown version")
    if quick := sum("not_for_publication" in record.flags for record in done):
        found.append(f"{quick} records are of attack sets that are not for publication")
    return found


def same(content: Content, other: Content) -> bool:
    """Whether two tables say the same of the same models, in whatever order."""
    ours, theirs = _without_notes(content.table), _without_notes(other.table)
    if ours.model_copy(update={"rows": ()}) != theirs.model_copy(update={"rows": ()}):
        return False
    if {row.model: row for row in ours.rows} != {row.model: row for row in theirs.rows}:
        return False
    return set(content.weights) == set(other.weights) and _same_outcomes(content.outcomes, other.outcomes)


def _without_notes(table: Table) -> Table:
    """The table without its layout, and what it says of its origins: older versions of the same do not say them."""
    rows = tuple(row.model_copy(update={"notes": ()}) for row in table.rows)
    return table.model_copy(update={"rows": rows, "mixed": None, "layout": LAYOUT})


def _same_outcomes(ours: Outcomes, theirs: Outcomes) -> bool:
    if not np.array_equal(ours.samples, theirs.samples) or set(ours.by_seed) != set(theirs.by_seed):
        return False
    return all(
        set(by_seed) == set(theirs.by_seed[place])
        and all(np.array_equal(shares, theirs.by_seed[place][seed]) for seed, shares in by_seed.items())
        for place, by_seed in ours.by_seed.items()
    )


def _draft(prepared: Prepared, drafts: Path, reasons: tuple[str, ...]) -> Released:
    """Writes a draft; it replaces the draft of the same table before it."""
    table = prepared.content.table
    folder = drafts / table.name
    try:
        with scratch_folder(folder) as scratch:
            write_content(prepared.content, "draft", scratch)
            swap(scratch, folder)
    except OSError as error:
        said = f"the draft cannot be written to {folder}: {told(error, folder)}; every record is kept"
        raise StoreWriteError(said) from error
    return Released("draft", folder, "draft", table, reasons)
