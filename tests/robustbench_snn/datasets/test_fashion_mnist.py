"""IDX files: read as written, and refused when broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.idx import read_idx
from robustbench_snn.errors import DatasetError, UserError


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))  # plain, as well as gzipped
        np.save(tmp_path / f"{part}.npy", images)
    return tmp_path


def test_images_labels_and_ids(folder: Path) -> None:
    data = load_dataset("fashion_mnist", root=str(folder))
    assert (data.classes, data.channels, data.height, data.width) == (10, 1, 28, 28)
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 4, 20)
    source = np.load(folder / "t10k.npy")
    images = data.test.images(torch.arange(20))
    assert images.numpy() == pytest.approx(source[data.test.ids.numpy()][:, None] / 255)
    assert torch.equal(data.test.labels, data.test.ids % 10)
    both = torch.cat([data.train.ids, data.validation.ids, data.test.ids])
    assert len(both.unique()) == 60


def test_the_fingerprint_sees_one_pixel(folder: Path) -> None:
    before = load_dataset("fashion_mnist", root=str(folder)).fingerprint
    images = np.load(folder / "t10k.npy")
    images[3, 5, 7] ^= 1
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    after = load_dataset("fashion_mnist", root=str(folder), limit=1).fingerprint
    assert len(before) == 64
    assert before != after


def test_found_by_environment_variable_and_in_a_sub_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*-ubyte*"):
        file.rename(raw / file.name)
    monkeypatch.setenv("RBSNN_FASHION_MNIST_ROOT", str(folder))
    assert load_dataset("fashion_mnist").source == str(raw)


def test_missing_says_where_and_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset("fashion_mnist", root=str(tmp_path / "nowhere"))
    for part in (
        str(tmp_path / "nowhere"),
        "train-images-idx3-ubyte",
        "apt-get install dataset-fashion-mnist",
        "RBSNN_FASHION_MNIST_ROOT",
        "dataset.root",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"])
def test_truncated_files_are_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-7])
    with pytest.raises(DatasetError, match=name):
        load_dataset("fashion_mnist", root=str(folder))


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_bytes(idx(np.zeros((2, 2), np.uint8)))
    with pytest.raises(DatasetError, match="labels is not an IDX file of bytes in 1 dimensions"):
        read_idx(file, 1)
    file.write_bytes(b"")
    with pytest.raises(DatasetError, match="labels"):
        read_idx(file, 1)


def test_counts_must_agree(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(DatasetError, match="20 images"):
        load_dataset("fashion_mnist", root=str(folder))


@pytest.mark.parametrize(
    ("parameters", "part"),
    [({"limit": 0}, "limit"), ({"validation": 1.0}, "validation"), ({"limt": 5}, "Did you mean 'limit'")],
)
def test_bad_parameters(folder: Path, parameters: dict[str, float], part: str) -> None:
    with pytest.raises(UserError, match=part):
        load_dataset("fashion_mnist", root=str(folder), **parameters)


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="dataset-fashion-mnist is not here")
def test_debians_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RBSNN_FASHION_MNIST_ROOT", raising=False)
    data = load_dataset("fashion_mnist", limit=1000)
    assert (len(data.train), len(data.validation), len(data.test)) == (54_000, 6_000, 1_000)
    assert data.mean == pytest.approx([0.2860], abs=0.002)  # widely published
    assert data.std == pytest.approx([0.3530], abs=0.002)
    assert data.test.labels.bincount().tolist() == [100] * 10
