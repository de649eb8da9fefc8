"""Whether the records of a published version are sound, and are those of the rows and columns that name them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from robustbench_snn.leaderboard.findings import Finding, differences
from robustbench_snn.leaderboard.schema1.table import Row as FirstRow
from robustbench_snn.leaderboard.table import AnyTable, Row
from robustbench_snn.reading import GIB, read_text
from robustbench_snn.store.checks import fault_of_metrics, fault_of_record
from robustbench_snn.store.records import Record

MOST_BYTES = 4 * GIB
"""Most bytes of the records of a version: hundreds of thousands."""


def read_records(folder: Path) -> tuple[dict[str, Record], list[Finding]]:
    """The records of a version by key, and what is wrong with each by itself."""
    records: dict[str, Record] = {}
    findings: list[Finding] = []
    lines = read_text(folder / "records.jsonl", MOST_BYTES).splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = Record.model_validate_json(line)
        except ValidationError as error:
            findings.append(Finding("records.jsonl", f"line {number}", "", "a record", error.errors()[0]["msg"]))
            continue
        fault = fault_of_record(record, record.key) if record.schema_version > 1 else None
        fault = fault or fault_of_metrics(record)
        if record.key in records:
            fault = "its key is there twice"
        if fault is not None:
            findings.append(Finding("records.jsonl", f"line {number}", record.key[:12], "a sound record", fault))
        records[record.key] = record
    return records, findings


def keys_of(table: AnyTable) -> dict[str, tuple[str, str]]:
    """Model and column of every record that a table names, by key."""
    of_training = {key: (row.model, "train") for row in table.rows for key in row.training}
    of_cells = {
        key: (row.model, label) for row in table.rows for label, score in row.cells.items() for key in score.records
    }
    return of_training | of_cells


def wrong_records(table: AnyTable, records: dict[str, Record]) -> Iterator[Finding]:
    """Records that are missing, belong to no number, or to another row or column than the table says."""
    keys = keys_of(table)
    for key, (model, label) in keys.items():
        if key not in records:
            yield Finding("records.jsonl", model, label, f"record {key[:12]}", "none")
    for key in sorted(set(records) - set(keys)):
        yield Finding("table.json", records[key].model, key[:12], "a number made of this record", "none")
    columns = dict(zip(table.columns, table.protocol["evaluations"], strict=False))
    for row in table.rows:
        yield from _of_another_row(row, table, columns, records)


def _of_another_row(
    row: Row | FirstRow, table: AnyTable, columns: dict[str, dict[str, Any]], records: dict[str, Record]
) -> Iterator[Finding]:
    """Records whose model, weights, samples or evaluation are not those of their row and column."""
    shared = {name: table.protocol[name] for name in ("dataset", "samples", "seed")}
    facts = {"model": dict(row.identity), "timesteps": row.timesteps, "parameters": row.parameters}
    trained = [records[key] for key in row.training if key in records]
    weights = {record.seed: record.weights_sha256 for record in trained}
    for record in trained:
        yield from differences(
            "table.json", row.model, {"kind": "train", **_facts(record)}, {"kind": record.kind, **facts}
        )
        yield from differences("records.jsonl", row.model, shared["dataset"], record.identity.get("dataset"), "dataset")
        if (seed := record.identity.get("seed", record.seed)) != record.seed:
            yield Finding("records.jsonl", row.model, f"seed of {record.key[:12]}", seed, record.seed)
    for record in trained[1:]:  # they differ in their seed alone
        ours, theirs = ({**found.identity, "seed": None} for found in (trained[0], record))
        yield from differences("records.jsonl", f"{row.model}, {record.key[:12]}", ours, theirs, "train")
    if sorted(weights) != sorted(row.seeds):
        yield Finding("table.json", row.model, "seeds", sorted(weights), sorted(row.seeds))
    for label, score in row.cells.items():
        if not score.records:
            yield Finding("table.json", row.model, label, "records", "none")
        of_label = [records[key] for key in score.records if key in records]
        listed = columns.get(label)
        for record in of_label:
            wanted = {
                **shared,
                **_subset(table, listed),
                **facts,
                "kind": "evaluate",
                "evaluation": None if listed is None else _name_and_version(listed),
            }
            wanted["weights"] = weights.get(record.seed)
            found = {name: record.identity.get(name) for name in shared} | _facts(record)
            found |= {"kind": record.kind, "weights": record.weights_sha256}
            found["evaluation"] = _name_and_version(record.identity.get("evaluation", {}))
            yield from differences("records.jsonl", f"{row.model}, {record.key[:12]}", wanted, found, label)
        seeds = sorted({record.seed for record in of_label})
        if of_label and seeds != sorted(row.seeds):
            yield Finding("table.json", row.model, f"{label}/seeds", sorted(row.seeds), seeds)


def _facts(record: Record) -> dict[str, Any]:
    return {
        "model": record.identity.get("model"),
        "timesteps": record.timesteps,
        "parameters": record.parameters,
    }


def _subset(table: AnyTable, listed: dict[str, Any] | None) -> dict[str, Any]:
    """The samples of a column whose evaluation takes only some, by what the protocol lists of it."""
    limit = (listed or {}).get("limit")
    return {} if limit is None else {"samples": table.protocol.get("subsets", {}).get(str(limit))}


def _name_and_version(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {name: evaluation.get(name) for name in ("name", "version")}
