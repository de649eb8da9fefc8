"""Whether a stored cell is what it says: its key, its files, its numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from robustbench_snn.digests import file_digest, json_digest, tensor_digest
from robustbench_snn.reading import read_parquet
from robustbench_snn.store.os_errors import is_of_content
from robustbench_snn.store.records import SCHEMA_VERSION, Record

RECORD, SAMPLES, WEIGHTS = "record.json", "samples.parquet", "weights.safetensors"
EXACT, SINGLE = 1e-9, 1e-6
"""How far an accuracy may be from the mean of ``correct``: by rounding of float64, and where shares are float32."""
SHARES = frozenset(
    {"vote", "worst", "area", "mce_unnormalised", "passed", "zero_gradient_share", "firing_rate", "silent_neurons"}
)
"""Metrics in [0, 1] besides those whose names begin or end with ``accuracy``."""
_MEASURED = ("seconds", "per_second", "bytes", "_mb")
"""Ends of the names of metrics that are of the machine, not of the model."""


def sealed(record: Record, folder: Path) -> Record:
    """The record with the hashes of the files beside it, and with its own.

    Args:
        record: as an evaluation or a training left it.
        folder: holds the cell's other files.
    """
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.name != RECORD}
    whole = record.model_copy(update={"files": files})
    return whole.model_copy(update={"content_sha256": content_digest(whole)})


def content_digest(record: Record) -> str:
    """sha256 of everything that a record says, but for this hash itself."""
    return json_digest(record.model_dump(mode="json", exclude={"content_sha256"}))


def fault_of(record: Record, folder: Path, key: str) -> str | None:
    """What is wrong with a stored cell.

    Args:
        record: its record.
        folder: holds the record and the cell's other files.
        key: the content key that the cell is stored under.

    Returns:
        The first fault, in words; None if the cell is sound.

    Raises:
        OSError: if its files cannot be looked at, which says nothing about them.
    """
    found = fault_of_record(record, key) or _fault_of_files(record, folder) or fault_of_metrics(record)
    if found is None:
        found = _fault_of_weights(record, folder) if record.kind == "train" else _fault_of_samples(record, folder)
    return found


def fault_of_record(record: Record, key: str) -> str | None:
    """What is wrong with a record by itself: its key, its identity and its checksum; None if nothing is."""
    if record.schema_version != SCHEMA_VERSION:
        return f"it has schema version {record.schema_version}, not {SCHEMA_VERSION}"
    if record.key != key:
        return f"its key {record.key[:12]} is not the name of its folder, {key[:12]}"
    if record.content_sha256 != content_digest(record):
        return "its content does not match its checksum"
    if json_digest(record.identity) != key:
        return "its identity does not hash to its key"
    if record.status != "done" or record.failure is not None:
        return "it is a failed cell's record"
    if record.identity.get("kind") != record.kind:
        return f"it says '{record.kind}', its identity says '{record.identity.get('kind')}'"
    if record.kind == "evaluate" and record.identity.get("weights") != record.weights_sha256:
        return "its weights are not those of its identity"
    return None


def _fault_of_files(record: Record, folder: Path) -> str | None:
    there = {path.name for path in folder.iterdir()} - {RECORD}
    if missing := sorted(set(record.files) - there):
        return f"{', '.join(missing)} is missing"
    if extra := sorted(there - set(record.files)):
        return f"{', '.join(extra)} does not belong to it"
    for name, digest in sorted(record.files.items()):
        if file_digest(folder / name) != digest:
            return f"the content of {name} does not match its checksum"
    return None


def of_model(record: Record) -> dict[str, float]:
    """The metrics that are of the model, not of the machine that it ran on, such as images per second."""
    return {name: value for name, value in record.metrics.items() if not name.endswith(_MEASURED)}


def same_result(one: Record, other: Record) -> bool:
    """Whether two records of one key found the same: the same content, or another time and machine at most."""
    if one.content_sha256 == other.content_sha256:
        return True
    return (
        one.weights_sha256 == other.weights_sha256
        and of_model(one) == of_model(other)
        and one.flags == other.flags
        and one.files.get(SAMPLES) == other.files.get(SAMPLES)
    )


def fault_of_metrics(record: Record) -> str | None:
    """The first metric that is not finite, or not in its range; None if all are."""
    for name, value in record.metrics.items():
        if not math.isfinite(value):
            return f"its metric '{name}' is {value}"
        if is_share(name) and not -EXACT <= value <= 1 + EXACT:
            return f"its metric '{name}' is {value}, not a share in [0, 1]"
    return None


def is_share(metric: str) -> bool:
    """Whether a metric is in [0, 1], by its name; another condition's carries that condition in front of a slash."""
    last = metric.rsplit("/", 1)[-1]
    return last in SHARES or last.startswith("accuracy") or last.endswith("accuracy")


def _fault_of_weights(record: Record, folder: Path) -> str | None:
    if record.samples:
        return f"it is a training of {record.samples} evaluated samples"
    if WEIGHTS not in record.files:
        return f"{WEIGHTS} is missing"
    from safetensors.torch import load_file  # imports torch

    try:
        (folder / WEIGHTS).open("rb").close()  # safetensors calls a file that may not be read missing
        digest = tensor_digest(load_file(folder / WEIGHTS))
    except Exception as error:  # of the reader, and of torch over types that it has no arithmetic for
        if isinstance(error, OSError) and not is_of_content(error):
            raise
        return f"{WEIGHTS} cannot be read ({error})"
    return None if digest == record.weights_sha256 else f"{WEIGHTS} holds other weights than those that it names"


def _fault_of_samples(record: Record, folder: Path) -> str | None:
    if SAMPLES not in record.files:
        return f"{SAMPLES} is missing"
    try:
        table = read_parquet(folder / SAMPLES)
    except OSError as error:
        if not is_of_content(error):
            raise
        return f"{SAMPLES} cannot be read ({error})"
    if len(set(table.column_names)) != len(table.column_names) or not {"id", "label"} <= set(table.column_names):
        return f"{SAMPLES} lacks a column, or has one twice"
    if not all(pa.types.is_integer(table.schema.field(name).type) for name in ("id", "label")):
        return f"{SAMPLES} has ids or labels that are no whole numbers"
    if table.num_rows != record.samples:
        return f"it says {record.samples} samples, {SAMPLES} has {table.num_rows} rows"
    if len(np.unique(table.column("id").to_numpy())) != table.num_rows:
        return f"{SAMPLES} has a sample twice"
    correct = table.column("correct").to_numpy() if "correct" in table.column_names else None
    return _fault_of_accuracy(record.metrics.get("accuracy"), correct)


def _fault_of_accuracy(accuracy: float | None, correct: NDArray[Any] | None) -> str | None:
    if accuracy is None or correct is None:
        return None if accuracy is None and correct is None else "it has only one of accuracy and 'correct'"
    if correct.dtype.kind not in "bf" or not bool(np.all((correct >= 0) & (correct <= 1))):
        return "its column 'correct' holds more than shares in [0, 1]"
    mean = float(np.mean(correct, dtype=np.float64))
    if abs(mean - accuracy) > (SINGLE if correct.dtype.itemsize in (2, 4) else EXACT):
        return f"its accuracy is {accuracy}, the mean of 'correct' is {mean}"
    return None
