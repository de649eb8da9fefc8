"""Every format: a small valid file among the files beside it, ways to damage it, and the functions that read it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from robustbench_snn.attack.external import ExternalSet
from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.archive import pack
from robustbench_snn.exchange.published import read_version
from robustbench_snn.exchange.sources import read_submission
from robustbench_snn.exchange.submission import check_submission, submit
from robustbench_snn.leaderboard.index import write_index, wrong_index
from robustbench_snn.leaderboard.lookup import find_record
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.publication import publish
from robustbench_snn.leaderboard.verification import verify_version
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import withdraw, withdrawals
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import Task
from robustbench_snn.store.checks import sealed
from robustbench_snn.store.merging import examined
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.tables import load_table
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.training.result import EpochRecord
from robustbench_snn.weights.importing import import_weights
from robustbench_snn.weights.loading import load_normalized_weights, load_weights
from robustbench_snn.weights.tensors import save_weights
from tests import stored_cells
from tests.fuzzing import mutations
from tests.fuzzing.mutations import Mutation

RESULTS = Path(__file__).parents[2] / "results"
WIDTH, CLASSES = 16, 3
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


def _images(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 256, (9, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder / "train" / "ant" / "0.png"


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


def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    packed = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(packed, "PNG")
    for split, count in (("train", 8), ("test", 4)):
        images = [{"bytes": packed.getvalue(), "path": None} for _ in range(count)]
        names = json.dumps({"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}})
        table = pa.table({"image": images, "label": [row % 2 for row in range(count)]})
        pq.write_table(table.replace_schema_metadata({"huggingface": names}), folder / f"{split}.parquet")
    return folder / "train.parquet"


def _read_parquet(folder: Path) -> None:
    data = load_dataset("parquet", root=str(folder))
    data.train.images(torch.arange(len(data.train)))


def _idx(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        random = np.random.default_rng(0)
        for part, count in (("train", 20), ("t10k", 10)):
            arrays = {
                "images-idx3": random.integers(0, 256, (count, 28, 28), dtype=np.uint8),
                "labels-idx1": (np.arange(count) % 10).astype(np.uint8),
            }
            for kind, array in arrays.items():
                sizes = struct.pack(f">{array.ndim}I", *array.shape)
                content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
                file = folder / f"{part}-{kind}-ubyte{ending}"
                file.write_bytes(gzip.compress(content) if ending else content)
        return folder / f"train-images-idx3-ubyte{ending}"

    return make


def _cifar(folder: Path) -> Path:
    """Batches of CIFAR's form; none has the published checksum, so that none may be unpickled."""
    place = folder / "cifar-10-batches-py"
    place.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (place / name).write_bytes(pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}))
    (place / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}))
    return place / "data_batch_1"


def _corrupted(folder: Path) -> Path:
    np.save(folder / "fog.npy", np.zeros((20, 32, 32, 3), np.uint8))
    np.save(folder / "labels.npy", np.tile(np.arange(4), 5))
    return folder / "fog.npy"


def _corrupted_labels(folder: Path) -> Path:
    return _corrupted(folder).with_name("labels.npy")


def _read_corrupted(folder: Path) -> None:
    found = PublishedCorruptions(folder, "cifar10-c", samples=4)
    found.content(["fog"], [1])
    found.images("fog", 3)
    found.labels("fog", 3)


def _npz(folder: Path) -> Path:
    random = np.random.default_rng(0)
    np.savez(folder / "set.npz", ids=np.arange(4), images=random.integers(0, 256, (4, 1, 8, 8), dtype=np.uint8))
    return folder / "set.npz"


def _member(name: str, content: bytes, random: Random) -> bytes:
    """A member of a zip, damaged in the way of its own format."""
    if name.endswith(".json"):
        return mutations.of_json(content, random)
    if name.endswith(".jsonl"):
        return mutations.of_lines(content, random)
    if name.endswith(".parquet"):
        return mutations.of_parquet(content, random)
    return mutations.blind(content, random)


def _model() -> nn.Module:
    torch.manual_seed(0)
    parameters = {"depth": 1, "width": WIDTH, "heads": 1, "pooling": "0011"}
    return direct_classifier("spikformer", parameters, Task(3, 32, 32, CLASSES, 1, (0.5,) * 3, (0.5,) * 3))


def _weights(folder: Path) -> Path:
    save_weights(_model(), folder / "weights.safetensors", {"mean": [0.5] * 3, "std": [0.2] * 3, "classes": CLASSES})
    return folder / "weights.safetensors"


def _read_weights(folder: Path) -> None:
    model: Any = _model()
    load_normalized_weights(model, folder / "weights.safetensors")
    load_weights(model, folder / "weights.safetensors")


def _state() -> dict[str, torch.Tensor]:
    """A state dict of Spikformer's authors' names."""
    from tests.robustbench_snn.weights.test_importing import spikformer_shapes

    return {name: torch.zeros(shape) for name, shape in spikformer_shapes(1, False, WIDTH, CLASSES).items()}


def _published_weights(zipped: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.save({"state_dict": _state()}, folder / "w.pth", _use_new_zipfile_serialization=zipped)
        return folder / "w.pth"

    return make


def _published_safetensors(folder: Path) -> Path:
    save_file(_state(), folder / "w.safetensors")
    return folder / "w.safetensors"


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


def _checkpoint(folder: Path) -> Path:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    for epoch in (1, 2):
        optimizer.step()
        history = [
            EpochRecord(epoch=n + 1, loss=1.0, accuracy=0.5, lr=0.1, images=4, seconds=1.0) for n in range(epoch)
        ]
        Checkpoints(folder, "key").save(model, optimizer, torch.amp.GradScaler("cpu"), history)
    (folder / "epoch-00001.safetensors").unlink()  # the damaged one is the only one
    return folder / "epoch-00002.safetensors"


def _read_checkpoint(folder: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    Checkpoints(folder, "key").restore(model, optimizer, torch.amp.GradScaler("cpu"))
    optimizer.step()


def _version(file: str) -> Callable[[Path], Path]:
    """One row of a published table, as a table of its own."""

    def make(folder: Path) -> Path:
        published = read_version(RESULTS / "quickstart" / "v4.0")
        row = submit(published, "direct", folder / "row.zip")
        (folder / "row.zip").unlink()
        publish(row.table, row.outcomes, [published.records[key] for key in row.records], folder)
        withdraw(folder, "quickstart", Version(1, 0), "a reason")
        write_index(folder)
        return next(folder.rglob(file))

    return make


def _first_version(folder: Path) -> Path:
    shutil.copytree(RESULTS / "quickstart" / "v1.0", folder / "quickstart" / "v1.0")
    return folder / "quickstart" / "v1.0" / "table.json"


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


def _submission(folder: Path) -> Path:
    published = read_version(RESULTS / "quickstart" / "v4.0")
    submit(published, published.table.rows[0].model, folder / "entry.zip")
    return folder / "entry.zip"


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
        _settle_version(folder / "settled")
        pack(folder / "settled", folder / "entry.zip")
    except Exception:  # it is damaged as a zip
        pass
    finally:
        shutil.rmtree(folder / "settled", ignore_errors=True)


def _cell(file: str) -> Callable[[Path], Path]:
    """An evaluation's cell with arrays, and the training that it belongs to."""

    def make(folder: Path) -> Path:
        store = Store(folder)
        found = stored_cells.evaluate(store, stored_cells.train(store))
        np.savez(store.folder(found.key) / "arrays.npz", adversarial=np.zeros((4, 1, 2, 2), np.float32))
        _settle_cells(folder)
        return store.folder(found.key) / file

    return make


def _settle_cells(folder: Path) -> None:
    """Gives records the hashes of the files beside them, and their own, as far as they can be read."""
    for path in folder.glob("cells/*/record.json"):
        try:
            path.write_text(sealed(Record.model_validate_json(path.read_bytes()), path.parent).model_dump_json())
        except (ValueError, RecursionError):
            continue


def _read_cells(folder: Path) -> None:
    store = Store(folder)
    (key,) = (path.parent.name for path in folder.glob("cells/*/samples.parquet"))
    found = examined(store.folder(key), key)
    readers = (lambda: store.find(key), lambda: store.samples(key), lambda: store.arrays(key))
    _all_of([*readers, *([] if isinstance(found, str) else [lambda: store.training_of(found)])])


FORMATS: Mapping[str, Format] = {
    "image": Format(_images, _read_images, _image_of_any_kind),
    "dataset parquet": Format(_parquet, _read_parquet, mutations.of_parquet),
    "idx": Format(_idx(""), lambda folder: load_dataset("fashion_mnist", root=str(folder))),
    "idx gzipped": Format(
        _idx(".gz"), lambda folder: load_dataset("fashion_mnist", root=str(folder)), mutations.inside_gzip
    ),
    "cifar batch": Format(_cifar, lambda folder: load_dataset("cifar10", root=str(folder)), is_read=False),
    "cifar-c images": Format(_corrupted, _read_corrupted),
    "cifar-c labels": Format(_corrupted_labels, _read_corrupted),
    "score npz": Format(_npz, lambda folder: ExternalSet.load(folder / "set.npz"), mutations.inside_zip(_member)),
    "weights safetensors": Format(_weights, _read_weights, mutations.of_safetensors),
    "published safetensors": Format(
        _published_safetensors,
        lambda folder: import_weights(folder / "w.safetensors", timesteps=1, heads=1),
        mutations.of_safetensors,
    ),
    "weights pth": Format(
        _published_weights(True), lambda folder: import_weights(folder / "w.pth", timesteps=1, heads=1), _small_pickles
    ),
    "weights pth of old": Format(
        _published_weights(False), lambda folder: import_weights(folder / "w.pth", timesteps=1, heads=1)
    ),
    "checkpoint": Format(_checkpoint, _read_checkpoint, mutations.of_safetensors),
    "table.json": Format(_version("table.json"), _read_version, mutations.of_json, _settle_version),
    "table.json of schema 1": Format(_first_version, _read_first_version, mutations.of_json),
    "records.jsonl": Format(_version("records.jsonl"), _read_version, mutations.of_lines, _settle_version),
    "manifest.json": Format(_version("manifest.json"), _read_version, mutations.of_json),
    "outcomes parquet": Format(_version("samples.parquet"), _read_version, mutations.of_parquet, _settle_version),
    "withdrawn.json": Format(_version("withdrawn.json"), _read_lists, mutations.of_json),
    "index.json": Format(_version("index.json"), _read_lists, mutations.of_json),
    "record.json": Format(_cell("record.json"), _read_cells, mutations.of_json, _settle_cells),
    "samples parquet": Format(_cell("samples.parquet"), _read_cells, mutations.of_parquet, _settle_cells),
    "arrays npz": Format(_cell("arrays.npz"), _read_cells, mutations.inside_zip(_member), _settle_cells),
    "submission": Format(_submission, _read_submission, mutations.inside_zip(_member), _settle_submission),
}
