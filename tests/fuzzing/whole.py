"""A small whole file of every format, among the files that belong beside it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from robustbench_snn.exchange.published import read_version
from robustbench_snn.exchange.submission import submit
from robustbench_snn.leaderboard.index import write_index
from robustbench_snn.leaderboard.publication import publish
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import withdraw
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import Task
from robustbench_snn.store.checks import sealed
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.training.checkpoint import Checkpoints
from robustbench_snn.training.result import EpochRecord
from robustbench_snn.weights.tensors import save_weights
from tests import stored_cells

RESULTS = Path(__file__).parents[2] / "results"
WIDTH, CLASSES = 16, 3


def write_images(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 256, (9, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder / "train" / "ant" / "0.png"


def write_parquet(folder: Path) -> Path:
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


def write_idx(ending: str) -> Callable[[Path], Path]:
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


def write_cifar(folder: Path) -> Path:
    """Batches of CIFAR's form; none has the published checksum, so that none may be unpickled."""
    place = folder / "cifar-10-batches-py"
    place.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (place / name).write_bytes(pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}))
    (place / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}))
    return place / "data_batch_1"


def write_corrupted(folder: Path) -> Path:
    np.save(folder / "fog.npy", np.zeros((20, 32, 32, 3), np.uint8))
    np.save(folder / "labels.npy", np.tile(np.arange(4), 5))
    return folder / "fog.npy"


def write_corrupted_labels(folder: Path) -> Path:
    return write_corrupted(folder).with_name("labels.npy")


def write_npz(folder: Path) -> Path:
    random = np.random.default_rng(0)
    np.savez(folder / "set.npz", ids=np.arange(4), images=random.integers(0, 256, (4, 1, 8, 8), dtype=np.uint8))
    return folder / "set.npz"


def small_model() -> nn.Module:
    torch.manual_seed(0)
    parameters = {"depth": 1, "width": WIDTH, "heads": 1, "pooling": "0011"}
    return direct_classifier("spikformer", parameters, Task(3, 32, 32, CLASSES, 1, (0.5,) * 3, (0.5,) * 3))


def write_weights(folder: Path) -> Path:
    save_weights(
        small_model(), folder / "weights.safetensors", {"mean": [0.5] * 3, "std": [0.2] * 3, "classes": CLASSES}
    )
    return folder / "weights.safetensors"


def published_state() -> dict[str, torch.Tensor]:
    """A state dict of Spikformer's authors' names."""
    from tests.robustbench_snn.weights.test_importing import spikformer_shapes

    return {name: torch.zeros(shape) for name, shape in spikformer_shapes(1, False, WIDTH, CLASSES).items()}


def write_published(zipped: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.save({"state_dict": published_state()}, folder / "w.pth", _use_new_zipfile_serialization=zipped)
        return folder / "w.pth"

    return make


def write_published_safetensors(folder: Path) -> Path:
    save_file(published_state(), folder / "w.safetensors")
    return folder / "w.safetensors"


def write_checkpoint(folder: Path) -> Path:
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


def write_version(file: str) -> Callable[[Path], Path]:
    """One row of a published table, as a table of its own."""

    def make(folder: Path) -> Path:
        published = read_version(RESULTS / "quickstart" / "v5.0")
        row = submit(published, "direct", folder / "row.zip")
        (folder / "row.zip").unlink()
        publish(row.table, row.outcomes, [published.records[key] for key in row.records], folder)
        withdraw(folder, "quickstart", Version(1, 0), "a reason")
        write_index(folder)
        return next(folder.rglob(file))

    return make


def write_first_version(folder: Path) -> Path:
    shutil.copytree(RESULTS / "quickstart" / "v1.0", folder / "quickstart" / "v1.0")
    return folder / "quickstart" / "v1.0" / "table.json"


def write_submission(folder: Path) -> Path:
    published = read_version(RESULTS / "quickstart" / "v5.0")
    submit(published, published.table.rows[0].model, folder / "entry.zip")
    return folder / "entry.zip"


def write_cell(file: str) -> Callable[[Path], Path]:
    """An evaluation's cell with arrays, and the training that it belongs to."""

    def make(folder: Path) -> Path:
        store = Store(folder)
        found = stored_cells.evaluate(store, stored_cells.train(store))
        np.savez(store.folder(found.key) / "arrays.npz", adversarial=np.zeros((4, 1, 2, 2), np.float32))
        settle_cells(folder)
        return store.folder(found.key) / file

    return make


def settle_cells(folder: Path) -> None:
    """Gives records the hashes of the files beside them, and their own, as far as they can be read."""
    for path in folder.glob("cells/*/record.json"):
        try:
            path.write_text(sealed(Record.model_validate_json(path.read_bytes()), path.parent).model_dump_json())
        except (ValueError, RecursionError):
            continue
