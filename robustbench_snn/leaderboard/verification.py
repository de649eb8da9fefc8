"""Whether published versions are what they say: ``rbsnn leaderboard verify``.

A version is sound if its files are those of its manifest, its manifest follows that of the version before, every
number of its table follows from its records and per-sample outcomes, every record is what its key says, labels are
those of the evaluations that were run, and its pages are what this program renders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from robustbench_snn.digests import file_digest, json_digest
from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.leaderboard.evaluation_checks import wrong_evaluations
from robustbench_snn.leaderboard.findings import Finding, differences
from robustbench_snn.leaderboard.manifest import FILE, file_hashes, link_to, read_manifest, version_before
from robustbench_snn.leaderboard.origins import marked
from robustbench_snn.leaderboard.pages import render_pages
from robustbench_snn.leaderboard.recomputation import wrong_numbers
from robustbench_snn.leaderboard.record_checks import keys_of, read_records, wrong_records
from robustbench_snn.leaderboard.table import AnyTable, Row, Table
from robustbench_snn.leaderboard.versions import Version, lines_of, load_table, tables, versions, weights_beside
from robustbench_snn.plan.keys import KEY_VERSION
from robustbench_snn.reading import MALFORMED, read_text
from robustbench_snn.store.records import Record

MOST_PAGE = 1 << 28
"""Most bytes of a page of a version."""


@dataclass(frozen=True)
class Verified:
    """What was found of one version.

    Attributes:
        table: its name.
        version: the version.
        has_manifest: whether it was published with a manifest.
        findings: all that is wrong with it.
    """

    table: str
    version: Version
    has_manifest: bool
    findings: tuple[Finding, ...]


def verify(results: Path, table: str | None = None) -> Iterator[Verified]:
    """Checks all versions of a table, or of all tables.

    Raises:
        StoreError: if there is no such table.
    """
    names = tables(results)
    if table is not None and table not in names:
        raise StoreError(f"no published table '{table}' in {results} (there: {', '.join(names) or 'none'})")
    for name in names if table is None else [table]:
        for version in versions(results, name):
            yield verify_version(results, name, version)


def verify_version(results: Path, name: str, version: Version) -> Verified:
    """Checks one version; whatever cannot be read is a finding."""
    folder = results / name / str(version)
    findings: list[Finding] = []
    try:
        findings += _wrong_manifest(results, name, version)
        table = load_table(results, name, version)
        findings += _wrong_pages(table, folder, str(version))
        findings += wrong_content(table, folder, name)
    except (UserError, *MALFORMED) as error:
        findings.append(Finding(str(folder.name), "", "", "a version that can be read", f"{error}"))
    return Verified(name, version, (folder / FILE).is_file(), tuple(findings))


def wrong_content(table: AnyTable, folder: Path, name: str) -> Iterator[Finding]:
    """What of a version contradicts itself: its labels, records, numbers, weights and notes; its pages are left out.

    Args:
        table: of the version.
        folder: of the version.
        name: of the table.
    """
    yield from _wrong_labels(table, name)
    records, broken = read_records(folder)
    yield from [*broken, *wrong_records(table, records)]
    if isinstance(table, Table):
        yield from wrong_evaluations(table, records)
    if all(key in records for key in keys_of(table)):
        yield from wrong_numbers(table, folder, records)
    yield from _wrong_weights(folder, records)
    if isinstance(table, Table) and table.mixed is not None:
        ours = marked(table, lines_of(folder))
        for expected, found in zip((ours, *ours.rows), (table, *table.rows), strict=True):
            row = found.model if isinstance(found, Row) else ""
            wanted, there = (value.model_dump(mode="json", include={"mixed", "notes"}) for value in (expected, found))
            yield from differences("table.json", row, wanted, there)


def _wrong_weights(folder: Path, records: Mapping[str, Record]) -> Iterator[Finding]:
    """Files of weights that are not those of the training that they are named after."""
    for key, path in weights_beside(folder).items():
        expected = records[key].files.get("weights.safetensors") if key in records else "no such training"
        if (found := file_digest(path)) != expected:
            yield Finding(f"weights/{path.name}", "", "sha256", expected, found)


def _wrong_manifest(results: Path, name: str, version: Version) -> Iterator[Finding]:
    folder, known = results / name / str(version), versions(results, name)
    manifest = read_manifest(folder)
    if manifest is None:
        if isinstance(load_table(results, name, version), Table):
            yield Finding(FILE, "", "", "a manifest", "none")
        return
    before = version_before(known, version)
    link = None if before is None else link_to(results / name / str(before)).model_dump()
    expected = {"table": name, "version": str(version), "previous": link}
    yield from differences(FILE, "", expected, manifest.model_dump(mode="json", include=set(expected)))
    hashes = file_hashes(folder)
    for file in sorted({*hashes, *manifest.files}):
        found, listed = hashes.get(file, "no such file"), manifest.files.get(file, "not in the manifest")
        if found != listed:
            yield Finding(file, "", "sha256", listed, found)


def _wrong_pages(table: AnyTable, folder: Path, version: str) -> Iterator[Finding]:
    for name, page in render_pages(table, version).items():
        expected, found = page.splitlines(), read_text(folder / name, MOST_PAGE).splitlines()
        length = max(len(expected), len(found))
        rows = zip(expected + [""] * (length - len(expected)), found + [""] * (length - len(found)), strict=True)
        for number, (ours, theirs) in enumerate(rows, 1):
            if ours != theirs:
                yield Finding(name, f"line {number}", "", ours, theirs)
                break


def _wrong_samples(table: Table) -> Iterator[Finding]:
    """Columns that are of other numbers of samples than the table and its limits say."""
    for evaluation in table.protocol["evaluations"]:
        count = min(evaluation.get("limit", table.samples), table.samples)
        for row in table.rows:
            score = row.cells.get(evaluation["label"])
            if score is not None and score.samples != count:
                yield Finding("table.json", row.model, f"{evaluation['label']}/samples", count, score.samples)


def _wrong_labels(table: AnyTable, name: str) -> Iterator[Finding]:
    """Names, columns and rows of a table that contradict each other."""
    models = Counter(row.model for row in table.rows)
    if table.name != name:
        yield Finding("table.json", "", "name", name, table.name)
    for model, times in sorted(models.items()):
        if times > 1:
            yield Finding("table.json", model, "", "one row", f"{times} rows")
    hashes = [json_digest({"key_version": number, **table.protocol}) for number in range(1, KEY_VERSION + 1)]
    if table.protocol_hash not in hashes:
        yield Finding("table.json", "", "protocol_hash", hashes[-1], table.protocol_hash)
    if isinstance(table, Table):
        yield from differences("table.json", "", table.protocol["dataset"]["name"], table.dataset, "dataset")
        yield from _wrong_samples(table)
        labels = [evaluation.get("label") for evaluation in table.protocol["evaluations"]]
        if list(table.columns) != labels:
            yield Finding("table.json", "", "columns", labels, list(table.columns))
    for row in table.rows:
        for label in sorted(set(row.cells) - set(table.columns)):
            yield Finding("table.json", row.model, label, "a column of the table", "none")
        for label, message in row.failures.items() if isinstance(table, Table) else ():
            yield Finding("table.json", row.model, label, "no failed cell", message)
        for label in sorted(set(table.columns) - {*row.cells, *row.gaps}) if isinstance(row, Row) else ():
            yield Finding("table.json", row.model, label, "numbers, or what is missing", "neither")
