"""Image classification sets as Parquet files, in the layout of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from pydantic import PositiveInt
from torch import Tensor

from robustbench_snn.dataset.contract import TRAINING_IDS, Dataset, Limit, Share, build, register_dataset
from robustbench_snn.dataset.encoded import EncodedSamples, image_format, statistics_of
from robustbench_snn.dataset.fingerprint import fingerprint, fingerprint_items
from robustbench_snn.dataset.locate import find
from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import GIB, MALFORMED, read_parquet, read_parquet_schema

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")
VALIDATION_IDS = 2 * TRAINING_IDS

MOST_BYTES = 256 * GIB
"""Most bytes of a file. Images are packed already: a file unpacks to :data:`_UNPACKED` times its size at most."""

MOST_CLASSES = 1_000_000
"""Labels are below this; a model has an output a class."""

_UNPACKED, _SMALL = 100, GIB // 4


@dataclass(frozen=True)
class _Split:
    """One split as stored: encoded images, labels, class names if the files tell them."""

    files: Sequence[Path]
    images: Sequence[bytes]
    labels: Tensor
    names: Sequence[str]

    def describe(self, row: int) -> str:
        """Names an image for error messages."""
        return f"row {row} of {', '.join(map(str, self.files))}"


@register_dataset(
    "parquet",
    version=1,
    files=("train*.parquet", "test*.parquet"),
    inside=(".", "data"),
    install="get a set from the Hugging Face hub with 'hf download --repo-type dataset NAME --local-dir FOLDER'",
)
def parquet(
    *,
    root: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    image_size: PositiveInt | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Any image classification set in Parquet files: encoded images and whole-number labels.

    The folder, or its sub-folder ``data``, holds ``train*.parquet``, ``test*.parquet`` and perhaps
    ``validation*.parquet``, each one file or several shards (``train-00000-of-00002.parquet``). Images are structs
    {bytes, path} or plain bytes. The set is grey if its first training image is, and one in colour is an error then;
    else all become RGB. Grey of 16 bits (PNG, PGM) is scaled to 8. The fingerprint is over labels and encoded bytes,
    and the size and statistics that are asked for; ids are row numbers.

    Args:
        root: the folder; else the environment variable ``RBSNN_PARQUET_ROOT``.
        image_column: the column of images; else ``image`` or ``img``.
        label_column: the column of labels; else ``label``, ``labels``, ``fine_label`` or ``coarse_label``.
        image_size: bring all images to this height and width; else all must be of one size.
        mean: mean of each channel; else taken over (at most 10,000) training images.
        std: standard deviation of each channel, likewise.
        validation: share of the training images held out, if there are no validation files.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folder = find("parquet", root)
    splits = {
        name: _read(folder, name, image_column, label_column)
        for name in ("train", "test", "validation")
        if name != "validation" or any(folder.glob("validation*.parquet"))
    }
    train = splits["train"]
    statistics, marks = statistics_of(mean, std)
    form = image_format(train.images[0], train.describe(0), image_size, 1.0)
    firsts = {"train": TRAINING_IDS, "test": 0, "validation": VALIDATION_IDS}
    samples = {
        name: EncodedSamples(
            split.images,
            split.labels,
            torch.arange(firsts[name], firsts[name] + len(split.labels)),
            form,
            split.describe,
        )
        for name, split in splits.items()
    }
    return build(
        "parquet",
        train=samples["train"],
        validation=samples.get("validation", validation),
        test=samples["test"],
        classes=len(train.names) or int(max(split.labels.max() for split in splits.values())) + 1,
        statistics=statistics,
        fingerprint=fingerprint(
            *(fingerprint_items(split.labels, split.images) for split in splits.values()), *form.marks, *marks
        ),
        limit=limit,
        train_limit=train_limit,
        class_names=train.names,
        source=str(folder),
    )


def _read(folder: Path, split: str, image_column: str | None, label_column: str | None) -> _Split:
    """Reads all shards of a split.

    Raises:
        DatasetError: if a file is broken, or lacks the columns.
    """
    files = sorted(folder.glob(f"{split}*.parquet"))
    images: list[bytes] = []
    labels: list[Tensor] = []
    names: Sequence[str] = ()
    for file in files:
        try:
            schema = read_parquet_schema(file, MOST_BYTES)
            label_name = _column(schema, file, label_column, LABEL_COLUMNS, "label")
            image_name = _column(schema, file, image_column, IMAGE_COLUMNS, "image")
            most = max(_SMALL, _UNPACKED * file.stat().st_size)
            table = read_parquet(file, [image_name, label_name], most=most, rows_at_once=64)
        except OSError as error:
            raise DatasetError(f"{file} is not a whole Parquet file: {error}; get it again") from error
        images += _encoded(table.column(image_name), file)
        labels.append(_labels(table.column(label_name), f"{file}: column '{label_name}'"))
        names = names or _class_names(schema, label_name)
    if not images:
        raise DatasetError(f"{', '.join(map(str, files))}: no rows")
    return _Split(files, images, torch.cat(labels), names)


def _column(schema: pa.Schema, file: Path, asked: str | None, usual: Sequence[str], what: str) -> str:
    for name in (asked,) if asked is not None else usual:
        if name in schema.names:
            return name
    wanted = asked if asked is not None else " or ".join(usual)
    raise DatasetError(f"{file} has no column {wanted}; it has {', '.join(schema.names)}: set dataset.{what}_column")


def _labels(column: pa.ChunkedArray, what: str) -> Tensor:
    if not pa.types.is_integer(column.type) or column.null_count:
        raise DatasetError(f"{what} must hold a whole number in every row, not {column.type}")
    values = column.to_numpy()
    if len(values) and values.max() >= MOST_CLASSES:
        raise DatasetError(f"{what} holds the label {values.max()}; labels are classes, counted from 0")
    return torch.from_numpy(values.astype("int64"))


def _encoded(column: pa.ChunkedArray, file: Path) -> list[bytes]:
    in_struct = pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0
    values: list[bytes] = []
    for chunk in column.chunks:
        values += (chunk.field("bytes") if in_struct else chunk).to_pylist()
    bad = next((row for row, value in enumerate(values) if not isinstance(value, bytes)), None)
    if bad is not None:
        raise DatasetError(f"row {bad} of {file} holds no image bytes; files named by path are not followed")
    return values


def _class_names(schema: pa.Schema, label_column: str) -> Sequence[str]:
    """Names of the classes, from the metadata that the hub's ``datasets`` library writes."""
    try:
        facts = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in facts["info"]["features"][label_column]["names"]]
    except MALFORMED:
        return ()
