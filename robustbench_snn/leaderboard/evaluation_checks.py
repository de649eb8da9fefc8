"""Whether a column's records are of the evaluation that its protocol lists: with its parameters, each part once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robustbench_snn.digests import canonical, json_digest
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.findings import Finding, differences
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.plan.keys import listed, resolved_evaluation, written
from robustbench_snn.plan.plan import parts_of
from robustbench_snn.registry import evaluations
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.store.records import Record

Evaluated = Mapping[str, Any]
"""An evaluation, or a part of one, as keys hold it."""

_OF_ALL_PARTS = ("name", "version", "source", "content")


def wrong_evaluations(table: Table, records: Mapping[str, Record]) -> Iterator[Finding]:
    """Columns whose records are of other evaluations than the protocol lists, of less of them, or twice of a part.

    An evaluation that this program computes as it was published is cut into its parts anew. Of any other one, all
    rows and seeds must have the same parts, which together are what the protocol lists.

    Args:
        table: the table.
        records: by key; those that are missing are left out.
    """
    here: dict[str, ComponentSpec] = {}
    for label, entry in zip(table.columns, table.protocol["evaluations"], strict=False):
        whole = {name: value for name, value in entry.items() if name not in ("label", "limit")}
        spec = _computed_here(entry)
        if spec is not None:
            here[label] = spec
        wanted = None if spec is None else [canonical(resolved_evaluation(part)) for part in parts_of(spec)]
        for row, seed, parts in _measured(table, label, records):
            place = row.model, f"{label}, seed {seed}"
            if wanted is None:
                yield from _wrong_whole(*place, whole, parts)
                wanted = parts
            yield from _wrong_parts(*place, wanted, parts)
    yield from _wrong_repeats(table, here)


def _computed_here(entry: Mapping[str, Any]) -> ComponentSpec | None:
    """A listed evaluation as a suite writes it, if this program computes it as it was computed."""
    try:
        spec = written(entry)
        return spec if canonical(listed(spec)) == canonical(entry) else None
    except UserError:  # it is not known here, or reads files that are not here
        return None


def _measured(
    table: Table, label: str, records: Mapping[str, Record]
) -> Iterator[tuple[Row, int, list[dict[str, Any]]]]:
    """What was run of a column, by row and seed."""
    for row in table.rows:
        by_seed: dict[int, list[dict[str, Any]]] = {}
        for key in row.cells[label].records if label in row.cells else ():
            if key in records:
                evaluation = records[key].identity.get("evaluation")
                by_seed.setdefault(records[key].seed, []).append(dict(evaluation or {}))
        for seed, parts in sorted(by_seed.items()):
            yield row, seed, parts


def _wrong_parts(model: str, column: str, wanted: Sequence[Evaluated], found: Sequence[Evaluated]) -> Iterator[Finding]:
    if len(wanted) == len(found) == 1:
        yield from differences("records.jsonl", model, wanted[0], found[0], column)
        return
    ours, theirs = (Counter(map(json_digest, parts)) for parts in (wanted, found))
    if ours != theirs:
        missing, more = (ours - theirs).total(), (theirs - ours).total()
        told = f"{len(found)}, of which {more} are others or there twice, and {missing} missing"
        yield Finding("records.jsonl", model, column, f"each of its {len(wanted)} parts once", told)


def _wrong_whole(model: str, column: str, whole: Evaluated, parts: Sequence[Evaluated]) -> Iterator[Finding]:
    """Parts that are together not what the protocol lists: in what does not set them apart, and all they ran."""
    varies = {
        name
        for name in whole["parameters"]
        if len({json.dumps(part.get("parameters", {}).get(name), sort_keys=True) for part in parts}) > 1
    }
    for part in parts:
        for name in _OF_ALL_PARTS:
            yield from differences("records.jsonl", model, whole.get(name), part.get(name), f"{column}/{name}")
        given = part.get("parameters", {})
        for name in sorted({*given, *whole["parameters"]} - varies):
            expected, found = whole["parameters"].get(name), given.get(name)
            if found != [expected]:  # the only one of a list
                yield from differences("records.jsonl", model, expected, found, f"{column}/parameters/{name}")
    for name in sorted(varies):
        if isinstance(expected := whole["parameters"][name], list):
            values = [part["parameters"].get(name) for part in parts]
            flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
            if Counter(map(json_digest, flat)) != Counter(map(json_digest, expected)):
                yield Finding("records.jsonl", model, f"{column}/parameters/{name}", expected, flat)
    ran: dict[str, Any] = {}
    for part in parts:
        ran |= part.get("components", {})
    yield from differences("records.jsonl", model, whole.get("components"), ran, f"{column}/components")


def _wrong_repeats(table: Table, here: Mapping[str, ComponentSpec]) -> Iterator[Finding]:
    """Columns that are left out of comparisons and ranks as another one's, and are not, or the other way round."""
    names = {entry["name"] for entry in table.protocol["evaluations"]}
    for label, spec in here.items():
        component = evaluations.get(spec.name)
        repeats = component.implementation.repeats(component.validate(spec.parameters)) in names
        if repeats != (label in table.repeats):
            yield Finding("table.json", "", f"repeats/{label}", repeats, label in table.repeats)
    for label in sorted(set(table.repeats) - set(table.columns)):
        yield Finding("table.json", "", f"repeats/{label}", "a column of the table", "none")
