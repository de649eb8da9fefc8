"""Evidence of a model, from wherever its outcomes are: ``PLACE:MODEL``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from robustbench_snn.digests import json_digest
from robustbench_snn.errors import StoreError, UserError, did_you_mean
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.leaderboard.lookup import version_folder
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes
from robustbench_snn.leaderboard.pairwise.evidence import Evidence, Measured, makers, networks, setting_of
from robustbench_snn.leaderboard.pairwise.of_store import evidence_of_store
from robustbench_snn.leaderboard.record_checks import read_records
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.leaderboard.versions import read_table
from robustbench_snn.store.records import Record

FORM = (
    "write PLACE:MODEL, where PLACE is a published table (quickstart), one of its versions (quickstart/v3.0), a folder "
    "with a table.json, a folder of records (runs), or a suite file (mine.yaml)"
)


def load_evidence(written: str, *, results: Path, store: Path, place: str | None = None) -> Evidence:
    """What is known of one model.

    Args:
        written: ``PLACE:MODEL``; or only ``MODEL``, which is then looked for in ``place``.
        results: folder of the published tables.
        store: folder of the records of suite files.
        place: where a model without a place is looked for.

    Raises:
        UserError: if there is no such place or model, or it keeps no outcomes of every seed.
    """
    where, colon, model = written.rpartition(":")
    if not colon and place is None:
        raise UserError(f"'{written}' does not say where the model is: {FORM}")
    where = where or place or ""
    path = Path(where)
    if path.suffix in (".yaml", ".yml"):
        return _of_suite(where, model, store)
    if (path / "cells").is_dir():
        return evidence_of_store(path, model)
    try:
        folder = version_folder(where, results)
    except StoreError as error:
        raise UserError(f"{error}. {FORM[0].upper()}{FORM[1:]}") from None
    return _of_version(folder, model)


def _of_version(folder: Path, model: str) -> Evidence:
    table = read_table(folder)
    if not isinstance(table, Table):
        raise UserError(
            f"{folder} was published before tables kept every seed's outcomes, and has nothing to compare; run its "
            "suite again"
        )
    place = f"{folder.parent.name}/{folder.name}"
    records, _ = read_records(folder)

    def published(key: str) -> Record:
        if key not in records:
            raise StoreError(f"the record {key[:12]} cannot be read from {folder / 'records.jsonl'}; restore it")
        return records[key]

    return _evidence(_row(table, place, model), table, place, read_outcomes(folder / "samples.parquet"), published)


def _of_suite(suite: str, model: str, store: Path) -> Evidence:
    """The cells of a suite that are in a store; nothing is computed."""
    from robustbench_snn.dataset import load_dataset
    from robustbench_snn.plan.cells import Cell
    from robustbench_snn.plan.keys import key_of
    from robustbench_snn.plan.plan import make_plan
    from robustbench_snn.spec.files import load_suite
    from robustbench_snn.store.store import Store

    if not (store / "cells").is_dir():
        raise UserError(f"{store} has no records; run {suite}, or name the folder of its records with --store")
    spec = load_suite(suite)
    names = [entry.name for entry in spec.entries()]
    if model not in names:
        raise _unknown(model, suite, names)
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    records = Store(store)
    done: list[tuple[Cell, Record]] = []
    for train in plan.train:
        if train.model.name != model:
            continue
        if (record := records.get(key_of(train))) is None:
            raise UserError(f"{train.title} of {suite} is not in {store}; rbsnn run {suite} computes it")
        done.append((train, record))
        for cell in plan.evaluations_of(train):
            behind = {needed.peer_name: records.get(key_of(needed)) for needed in plan.models_behind(cell)}
            weights = {name: one.weights_sha256 for name, one in behind.items() if one and one.weights_sha256}
            found = records.get(key_of(cell, weights)) if len(weights) == len(behind) else None
            if found is not None:
                done.append((cell, found))
    listed = (*spec.models, *(spec.grid.models() if spec.grid else ()))
    alone = spec.model_copy(update={"models": [found for found in listed if found.name == model], "grid": None})
    table, outcomes = make_table(dataclasses.replace(plan, suite=alone), done, records)
    by_key = {record.key: record for _, record in done}
    return _evidence(table.rows[0], table, suite, outcomes, by_key.__getitem__)


def _evidence(row: Row, table: Table, place: str, outcomes: Outcomes, record_of: Callable[[str], Record]) -> Evidence:
    """Of a row of a table; an evaluation that repeats another one's accuracy is left out."""
    measured, behind = [], []
    for label, score in row.cells.items():
        if label in table.repeats or (row.model, label) not in outcomes.by_seed:
            continue
        records = [record_of(key) for key in score.records]
        behind += records
        parts = {json_digest(record.identity["evaluation"]): record.identity["evaluation"] for record in records}
        measured.append(
            Measured(
                label=label,
                name=records[0].identity["evaluation"]["name"],
                parts=tuple(parts.values()),
                setting=setting_of(records[0]),
                samples=outcomes.samples_of((row.model, label)),
                by_seed=outcomes.by_seed[row.model, label],
                flags=score.flags,
                comparable=score.comparable,
            )
        )
    gaps = {label: f"{gap.complete} of {gap.wanted} seeds; missing: {gap.lacks}" for label, gap in row.gaps.items()}
    return Evidence(place, row.model, tuple(measured), gaps=gaps, weights=networks(behind), made_by=makers(behind))


def _row(table: Table, place: str, model: str) -> Row:
    for row in table.rows:
        if row.model == model:
            return row
    raise _unknown(model, place, [row.model for row in table.rows])


def _unknown(model: str, place: str, names: Sequence[str]) -> UserError:
    return UserError(f"{place} has no model '{model}'.{did_you_mean(model, names)} It has: {', '.join(names)}")
