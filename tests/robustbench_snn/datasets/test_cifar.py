"""CIFAR's pickled batches: read after their checksum, refused otherwise."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import DatasetError

PER_BATCH = 20


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(0)
    checksums: dict[str, str] = {}

    def write(name: str, content: object) -> None:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        checksums[name] = hashlib.md5(data).hexdigest()

    for name in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
        pixels = random.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8)
        write(name, {"data": pixels, "labels": [row % 10 for row in range(PER_BATCH)]})
    write("batches.meta", {"label_names": [f"class {k}" for k in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", [[name, checksums[name]] for name in checksums if "data" in name])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", checksums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": checksums["batches.meta"]})
    return tmp_path


def test_pixels_labels_and_published_statistics(root: Path) -> None:
    data = load_dataset("cifar10", root=str(root))
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 20)
    assert (data.mean, data.std) == ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
    batch = pickle.loads((root / "cifar-10-batches-py/test_batch").read_bytes())
    source = batch["data"].reshape(-1, 3, 32, 32)[data.test.ids.numpy()]
    assert data.test.images(torch.arange(20)).numpy() == pytest.approx(source / 255)
    assert data.test.labels.tolist() == (data.test.ids % 10).tolist()
    assert data.class_names[3] == "class 3"


def test_a_changed_batch_is_not_unpickled(root: Path) -> None:
    file = root / "cifar-10-batches-py/test_batch"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="damaged or incomplete"):
        load_dataset("cifar10", root=str(root))


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_missing_is_not_downloaded_unasked(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"[Ss]et dataset\.download to true"):
        load_dataset(name, root=str(tmp_path))
    assert not list(tmp_path.iterdir())
