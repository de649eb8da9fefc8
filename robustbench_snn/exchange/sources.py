"""Where entries and cells come from: published tables, drafts, the drafts of a store, submitted files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.exchange.archive import unpack
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.leaderboard.schema1.table import FirstTable
from robustbench_snn.leaderboard.versions import read_table, tables, versions
from robustbench_snn.store.durable import is_scratch
from robustbench_snn.store.records import Record
from robustbench_snn.weights.tensors import read_tensors, tensor_digest

MOST_OUTCOMES, MOST_RECORDS = 50_000_000, 20_000
"""What a submitted file may hold."""


def read_source(name: str, results: Path) -> list[Published]:
    """A version or draft by name or folder, or all drafts of a store, these with the weights that the store has.

    Raises:
        UserError: if there is nothing of the kind.
        StoreError: if it is not what it says.
    """
    store = Path(name)
    if not (store / "cells").is_dir():
        return [read_version(find_version(name, results))]
    drafts = sorted(path.parent for path in store.glob("drafts/*/table.json") if not is_scratch(path.parent.name))
    if not drafts:
        raise UserError(f"the store {store} holds no draft of a table: run the suite with --store {store} --draft")
    return [_with_weights(read_version(draft), store) for draft in drafts]


def _with_weights(draft: Published, store: Path) -> Published:
    """A draft with the weights of the store's cells whose records are those of the draft."""
    paths = {record.key: store / "cells" / record.key / "weights.safetensors" for record in draft.trainings()}
    weights = {key: path for key, path in paths.items() if path.is_file()}
    return replace(draft, content=replace(draft.content, weights={**draft.content.weights, **weights}))


def read_submission(file: Path, folder: Path) -> Published:
    """Unpacks and checks what ``rbsnn submit`` packed; nothing in it is executed.

    Args:
        file: from anybody.
        folder: empty, where it is unpacked.

    Raises:
        UserError: if it is no submission.
        StoreError: if it is not what it says.
    """
    unpack(file, folder)
    if not (folder / "manifest.json").is_file():
        raise UserError(f"{file} has no manifest.json; rbsnn submit writes one")
    try:
        outcomes = pq.ParquetFile(folder / "samples.parquet").metadata.num_rows
        records = len((folder / "records.jsonl").read_text(encoding="utf-8").splitlines())
    except Exception as error:  # of Arrow, and of text
        raise StoreError(f"{file} cannot be read: {error}") from None
    if outcomes > MOST_OUTCOMES or records > MOST_RECORDS:
        raise UserError(
            f"{file} holds {outcomes} outcomes and {records} records; {MOST_OUTCOMES} and {MOST_RECORDS} are the most"
        )
    try:
        if (rows := len(read_table(folder).rows)) != 1:
            raise UserError(f"{file} holds {rows} entries; a submission is one")
        found = read_version(folder)
    except UserError as error:  # it names the folder, which is a scratch one
        raise type(error)(str(error).replace(str(folder), str(file))) from None
    for key, path in found.content.weights.items():
        if tensor_digest(read_tensors(path)[0]) != found.records[key].weights_sha256:
            raise StoreError(f"{file}: {path.name} holds other weights than those of its record")
    return found


def find_cell(prefix: str, source: str | None, results: Path) -> tuple[Published, Record]:
    """The one record whose key begins like this, and the version that it is of.

    Args:
        prefix: the first characters of its key.
        source: as of :func:`read_source`; without it, the standing versions of all tables are searched.
        results: folder of the published tables.

    Raises:
        UserError: if there is none, or several.
    """
    if source is not None:
        places = read_source(source, results)
    else:
        latest = [(name, results / name / str(versions(results, name)[-1])) for name in tables(results)]
        places = [read_version(folder) for _, folder in latest if not isinstance(read_table(folder), FirstTable)]
    found = {
        record.key: (place, record)
        for place in places
        for record in place.records.values()
        if record.key.startswith(prefix)
    }
    if len(found) != 1:
        where = ", ".join(place.title for place in places) or f"{results}"
        raise UserError(f"{len(found) or 'no'} records of {where} begin with '{prefix}'")
    return next(iter(found.values()))
