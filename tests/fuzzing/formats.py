"""Every format: a small valid file among the files beside it, ways to damage it, and the functions that read it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from torch import nn

from robustbench_snn.attack.external import ExternalSet
from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.gesture_trials import gestures_of
from robustbench_snn.errors import UserError
from robustbench_snn.event.recorded import read_aedat2, read_aedat3, read_atis
from robustbench_snn.exchange.archive import pack
from robustbench_snn.exchange.published import read_version
from robustbench_snn.exchange.sources import read_submission
from robustbench_snn.exchange.submission import check_submission
from robustbench_snn.leaderboard.index import wrong_index
from robustbench_snn.leaderboard.lookup import find_record
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.verification import verify_version
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import withdrawals
from robustbench_snn.store.merging import examined
from robustbench_snn.store.store import Store
from robustbench_snn.tables import load_table
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.weights.importing import import_weights
from robustbench_snn.weights.loading import load_normalized_weights, load_weights
from tests.event_files import (
    Event,
    packet,
    recording,
    write_aedat2,
    write_aedat3,
    write_atis,
    write_gestures,
)
from tests.fuzzing import mutations
from tests.fuzzing.mutations import Mutation
from tests.fuzzing.whole import (
    settle_cells,
    small_model,
    write_cell,
    write_checkpoint,
    write_cifar,
    write_corrupted,
    write_corrupted_labels,
    write_first_version,
    write_idx,
    write_images,
    write_npz,
    write_parquet,
    write_published,
    write_published_safetensors,
    write_submission,
    write_version,
    write_weights,
)

KEY = "9d7ab8442141e258"
"""Of a record of the published row."""


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        make: writes valid files into an empty folder; returns the one that is to be damaged.
        read: reads the folder by the public functions for it.
        mutate: damages the file's bytes.
        settle: makes what lies beside it agree with the damaged file, so that no checksum ends the reading early.
        is_read: whether the undamaged file is read: none of ours has the checksum of CIFAR's authors.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    mutate: Mutation = mutations.blind
    settle: Callable[[Path], object] = lambda folder: None
    is_read: bool = True


def _image_of_any_kind(data: bytes, random: Random) -> bytes:
    """The image, as one of the formats that are read, damaged; the decoder goes by content, not by name."""
    kind, mode = random.choice(
        [("PNG", "RGB"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("BMP", "RGB"), ("GIF", "P"), ("WEBP", "RGB"),
         ("TIFF", "RGB"), ("TIFF", "L"), ("PPM", "RGB")]
    )  # fmt: skip
    packed = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert(mode).save(packed, kind, **({"compression": "tiff_lzw"} if (kind, mode) == ("TIFF", "L") else {}))
    return mutations.of_png(packed.getvalue(), random)


def _read_images(folder: Path) -> None:
    data = load_dataset("image_folder", root=str(folder))
    data.train.images(torch.arange(len(data.train)))
    data = load_dataset("image_folder", root=str(folder), image_size=4, resize_ratio=1.2)
    data.train.images(torch.arange(len(data.train)))


def _read_parquet(folder: Path) -> None:
    data = load_dataset("parquet", root=str(folder))
    data.train.images(torch.arange(len(data.train)))


def write_recording(write: Callable[[Path, list[Event]], None]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(folder / "one", recording("fuzz"))
        return folder / "one"

    return make


def write_table(folder: Path) -> Path:
    write_gestures(folder, people=(1,))
    return folder / "user01_led_labels.csv"


def _read_corrupted(folder: Path) -> None:
    found = PublishedCorruptions(folder, "cifar10-c", samples=4)
    found.content(["fog"], [1])
    found.images("fog", 3)
    found.labels("fog", 3)


def _member(name: str, content: bytes, random: Random) -> bytes:
    """A member of a zip, damaged in the way of its own format."""
    if name.endswith(".json"):
        return mutations.of_json(content, random)
    if name.endswith(".jsonl"):
        return mutations.of_lines(content, random)
    if name.endswith(".parquet"):
        return mutations.of_parquet(content, random)
    return mutations.blind(content, random)


def _read_weights(folder: Path) -> None:
    model: Any = small_model()
    load_normalized_weights(model, folder / "weights.safetensors")
    load_weights(model, folder / "weights.safetensors")


def _small_pickles(data: bytes, random: Random) -> bytes:
    """Damages the pickle of a torch zip, most often; its tensors say nothing."""

    def change(name: str, content: bytes, random: Random) -> bytes:
        return mutations.blind(content, random)

    if random.random() < 0.4:
        return mutations.blind(data, random)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for entry, content in members:
            archive.writestr(
                entry, change(entry.filename, content, random) if "data.pkl" in entry.filename else content
            )
    return packed.getvalue()


def _read_checkpoint(folder: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    Checkpoints(folder, "key").restore(model, optimizer, torch.amp.GradScaler("cpu"))
    optimizer.step()


def _read_version(folder: Path) -> None:
    place = folder / "quickstart" / "v1.0"
    _all_of(
        [
            lambda: verify_version(folder, "quickstart", Version(1, 0)),
            lambda: str(load_table(place)),
            lambda: read_version(place),
            lambda: read_outcomes(place / "samples.parquet"),
            lambda: find_record(folder, KEY),
        ]
    )


def _read_first_version(folder: Path) -> None:
    place = folder / "quickstart" / "v1.0"
    _all_of([lambda: verify_version(folder, "quickstart", Version(1, 0)), lambda: str(load_table(place))])


def _read_lists(folder: Path) -> None:
    _all_of([lambda: withdrawals(folder, "quickstart"), lambda: list(wrong_index(folder))])


def _all_of(readers: Sequence[Callable[[], object]]) -> None:
    """Calls all readers, also those after one that refuses; raises its refusal then."""
    refusals = []
    for reader in readers:
        try:
            reader()
        except UserError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _settle_version(folder: Path) -> None:
    """Brings the manifest up to date, where it is not the file that was damaged."""
    for path in folder.rglob("manifest.json"):
        try:
            manifest = json.loads(path.read_bytes())
            manifest["files"] = {
                name: hashlib.sha256((path.parent / name).read_bytes()).hexdigest() for name in manifest["files"]
            }
        except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
            continue
        path.write_text(json.dumps(manifest))


def _read_submission(folder: Path) -> None:
    (folder / "unpacked").mkdir()
    try:
        for check in check_submission(read_submission(folder / "entry.zip", folder / "unpacked"), None):
            str(check)
    finally:
        shutil.rmtree(folder / "unpacked")


def _settle_submission(folder: Path) -> None:
    try:
        with zipfile.ZipFile(folder / "entry.zip") as archive:
            archive.extractall(folder / "settled")
    except Exception:  # it is damaged as a zip, which zipfile says in many ways
        shutil.rmtree(folder / "settled", ignore_errors=True)
        return
    _settle_version(folder / "settled")
    pack(folder / "settled", folder / "entry.zip")
    shutil.rmtree(folder / "settled")


def _read_cells(folder: Path) -> None:
    store = Store(folder)
    (key,) = (path.parent.name for path in folder.glob("cells/*/samples.parquet"))
    found = examined(store.folder(key), key)
    readers = (lambda: store.find(key), lambda: store.samples(key), lambda: store.arrays(key))
    _all_of([*readers, *([] if isinstance(found, str) else [lambda: store.training_of(found)])])


FORMATS: Mapping[str, Format] = {
    "image": Format(write_images, _read_images, _image_of_any_kind),
    "dataset parquet": Format(write_parquet, _read_parquet, mutations.of_parquet),
    "idx": Format(write_idx(""), lambda folder: load_dataset("fashion_mnist", root=str(folder))),
    "idx gzipped": Format(
        write_idx(".gz"), lambda folder: load_dataset("fashion_mnist", root=str(folder)), mutations.inside_gzip
    ),
    "cifar batch": Format(write_cifar, lambda folder: load_dataset("cifar10", root=str(folder)), is_read=False),
    "cifar-c images": Format(write_corrupted, _read_corrupted),
    "cifar-c labels": Format(write_corrupted_labels, _read_corrupted),
    "atis": Format(write_recording(write_atis), lambda folder: read_atis(folder / "one", 128, 128)),
    "aedat 2": Format(write_recording(write_aedat2), lambda folder: read_aedat2(folder / "one")),
    "aedat 3": Format(
        write_recording(lambda path, events: write_aedat3(path, packet(events[:30]), packet(events[30:], overflow=1))),
        lambda folder: read_aedat3(folder / "one"),
    ),
    "gesture table": Format(write_table, lambda folder: gestures_of(folder, "user01_led.aedat")),
    "score npz": Format(write_npz, lambda folder: ExternalSet.load(folder / "set.npz"), mutations.inside_zip(_member)),
    "weights safetensors": Format(write_weights, _read_weights, mutations.of_safetensors),
    "published safetensors": Format(
        write_published_safetensors,
        lambda folder: import_weights(folder / "w.safetensors", timesteps=1, heads=1),
        mutations.of_safetensors,
    ),
    "weights pth": Format(
        write_published(True), lambda folder: import_weights(folder / "w.pth", timesteps=1, heads=1), _small_pickles
    ),
    "weights pth of old": Format(
        write_published(False), lambda folder: import_weights(folder / "w.pth", timesteps=1, heads=1)
    ),
    "checkpoint": Format(write_checkpoint, _read_checkpoint, mutations.of_safetensors),
    "table.json": Format(write_version("table.json"), _read_version, mutations.of_json, _settle_version),
    "table.json of schema 1": Format(write_first_version, _read_first_version, mutations.of_json),
    "records.jsonl": Format(write_version("records.jsonl"), _read_version, mutations.of_lines, _settle_version),
    "manifest.json": Format(write_version("manifest.json"), _read_version, mutations.of_json),
    "outcomes parquet": Format(write_version("samples.parquet"), _read_version, mutations.of_parquet, _settle_version),
    "withdrawn.json": Format(write_version("withdrawn.json"), _read_lists, mutations.of_json),
    "index.json": Format(write_version("index.json"), _read_lists, mutations.of_json),
    "record.json": Format(write_cell("record.json"), _read_cells, mutations.of_json, settle_cells),
    "arrays npz": Format(write_cell("arrays.npz"), _read_cells, mutations.inside_zip(_member), settle_cells),
    "samples parquet": Format(write_cell("samples.parquet"), _read_cells, mutations.of_parquet, settle_cells),
    "submission": Format(write_submission, _read_submission, mutations.inside_zip(_member), _settle_submission),
}
