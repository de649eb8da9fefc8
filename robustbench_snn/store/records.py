"""What one cell leaves behind, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from robustbench_snn.errors import shown
from robustbench_snn.strict import Strict

SCHEMA_VERSION = 2  # 1 had no hashes, and an identity without kind and peers
"""Raised when a field of :class:`Record` changes its meaning."""

MOST = 1 << 63
"""Counts are below this: what reads them need not expect more than 64 bits."""

Column = NDArray[Any]
"""One value a sample, (N, ...), in the order of the samples."""


def _of_utc(text: str) -> str:
    """The text as it is: pages cut it and take the latest of several, so that a time has one way of being written.

    Raises:
        ValueError: if it is not what :meth:`~datetime.datetime.isoformat` writes of a time in UTC.
    """
    with suppress(ValueError):
        time = datetime.fromisoformat(text)
        if time.tzinfo == UTC and time.isoformat() == text:
            return text
    raise ValueError(f"{shown(text)} is no time in UTC as 2026-01-31T23:59:59+00:00")


Time = Annotated[str, AfterValidator(_of_utc), Field(description="UTC, ISO 8601")]


class Provenance(Strict):
    """How and where a record was computed; none of it is part of its key."""

    started: Time
    finished: Time
    wall_seconds: float = Field(ge=0, allow_inf_nan=False)
    peak_memory_bytes: int = Field(ge=0, lt=MOST, description="of the process, or of the GPU where one was used")
    device: str
    hardware: str
    driver: str | None
    neuron_implementation: str
    precision: Mapping[str, Any]
    batch_size: int = Field(ge=0, lt=MOST)
    command: tuple[str, ...]
    suite_sha256: str
    git_commit: str | None
    git_dirty: bool | None
    packages: Mapping[str, str]


class Failure(Strict):
    """Why a cell failed."""

    type: str
    message: str
    traceback: str
    is_users: bool = Field(description="whether the message tells the user what to mend")


class Record(Strict):
    """One cell's result. The numbers live here, one row a sample beside it in ``samples.parquet``.

    Attributes:
        schema_version: of this file's format.
        key: the cell's content key; also the name of its folder.
        kind: what the cell did.
        status: a failed cell is a record too, and is tried again by the next run.
        suite: name of the suite that computed it first.
        model: name of the table row.
        identity: all that the key is the sha256 of, as JSON.
        seed: training seed of the model.
        timesteps: T at training.
        parameters: trainable parameters of the model.
        samples: number of samples evaluated; 0 for training.
        metrics: headline numbers, shares in [0, 1].
        details: curves, breakdowns, training history.
        flags: checks that failed.
        comparable: False for protocols that a table sets apart.
        weights_sha256: of the trained weights.
        files: sha256 of every file beside the record, by name.
        content_sha256: of everything else that the record says.
        failure: of a failed cell.
        provenance: how and where.
    """

    schema_version: int = SCHEMA_VERSION
    key: str
    kind: Literal["train", "evaluate"]
    status: Literal["done", "failed"]
    suite: str
    model: str
    identity: Mapping[str, Any]
    seed: int = Field(gt=-MOST, lt=MOST)
    timesteps: int = Field(ge=1, lt=MOST)
    parameters: int = Field(ge=0, lt=MOST)
    samples: int = Field(default=0, ge=0, lt=MOST)
    metrics: Mapping[str, float] = Field(default_factory=dict)
    details: Mapping[str, Any] = Field(default_factory=dict)
    flags: tuple[str, ...] = ()
    comparable: bool = True
    weights_sha256: str | None = None
    files: Mapping[str, str] = Field(default_factory=dict)
    content_sha256: str | None = None
    failure: Failure | None = None
    provenance: Provenance
