"""Every shipped dataset passes every check of the shipped kit, the large ones on small files of their form."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from robustbench_snn.registry import datasets
from robustbench_snn.testing import check_dataset
from tests.event_files import write_cifar10_dvs, write_gestures, write_n_caltech101, write_n_mnist

SHIPPED = [name for name in datasets if datasets.declaration(name).origin.startswith("robustbench_snn.")]
RANDOM = np.random.default_rng(0)


def pixels(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def cifar(kind: type[CIFAR10], classes: int, key: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    """A writer of a pickled set with two images a class and file, and of its checksums."""

    def write(root: Path, patch: pytest.MonkeyPatch) -> None:
        folder = root / kind.base_folder
        folder.mkdir()
        lists: dict[str, list[list[str]]] = {}
        for which in ("train_list", "test_list"):
            for name, _ in getattr(kind, which):
                labels = [row % classes for row in range(2 * classes)]
                data = pickle.dumps({"data": pixels(2 * classes, 3072), key: labels})
                (folder / name).write_bytes(data)
                lists.setdefault(which, []).append([name, hashlib.md5(data).hexdigest()])
        meta = pickle.dumps({kind.meta["key"]: [f"class {label}" for label in range(classes)]})
        (folder / kind.meta["filename"]).write_bytes(meta)
        for which, files in lists.items():
            patch.setattr(kind, which, files)
        patch.setattr(kind, "meta", kind.meta | {"md5": hashlib.md5(meta).hexdigest()})

    return write


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fashion_mnist(root: Path, patch: pytest.MonkeyPatch) -> None:
    for part, count in (("train", 40), ("t10k", 20)):
        (root / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels(count, 28, 28)))
        (root / f"{part}-labels-idx1-ubyte").write_bytes(idx((np.arange(count) % 10).astype(np.uint8)))


def image_folder(root: Path, patch: pytest.MonkeyPatch) -> None:
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        for name in ("ant", "bee"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(pixels(8, 10, 3)).save(folder / f"{number}.png")


def png(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def parquet(root: Path, patch: pytest.MonkeyPatch) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["ant", "bee"]}}
    facts = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for split, count in (("train", 12), ("test", 6)):
        rows = [{"bytes": png(pixels(8, 8, 3)), "path": None} for _ in range(count)]
        table = pa.table({"image": rows, "label": [row % 2 for row in range(count)]})
        pq.write_table(table.replace_schema_metadata(facts), root / f"{split}-00000-of-00001.parquet")


WRITERS: dict[str, Callable[[Path, pytest.MonkeyPatch], None] | None] = {
    "cifar10": cifar(CIFAR10, 10, "labels"),
    "cifar100": cifar(CIFAR100, 100, "fine_labels"),
    "cifar10_dvs": lambda root, patch: write_cifar10_dvs(root),
    "digits": None,
    "digits_events": None,
    "dvs128_gesture": lambda root, patch: write_gestures(root),
    "fashion_mnist": fashion_mnist,
    "image_folder": image_folder,
    "n_caltech101": lambda root, patch: write_n_caltech101(root),
    "n_mnist": lambda root, patch: write_n_mnist(root),
    "parquet": parquet,
    "simulated_events": None,
}

SMALL: dict[str, dict[str, Any]] = {"cifar10_dvs": {"size": 32}, "n_caltech101": {"size": 32}}
"""What would take ten seconds at full size."""


@pytest.mark.parametrize("name", SHIPPED)
def test_conformance(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = WRITERS[name]
    if write is not None:
        write(tmp_path, monkeypatch)
    results = check_dataset(name, **({"root": str(tmp_path)} if write else {}), **SMALL.get(name, {}))
    failed = [f"{result.name}: {result.reason}" for result in results if not result.passed]
    assert not failed, "\n".join(failed)
