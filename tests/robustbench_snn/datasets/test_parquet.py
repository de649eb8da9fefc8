"""Parquet files in the hub's layout, written by pyarrow, read back."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from robustbench_snn.dataset import encoded, load_dataset
from robustbench_snn.dataset.fingerprint import fingerprint, fingerprint_items
from robustbench_snn.errors import DatasetError


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(
    path: Path,
    images: list[bytes],
    labels: list[Any],
    *,
    image: str = "image",
    label: str = "label",
    struct: bool = True,
    names: list[str] | None = None,
) -> None:
    column = [{"bytes": content, "path": None} for content in images] if struct else images
    table = pa.table({image: column, label: labels})
    if names:
        facts = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def pictures(count: int, seed: int = 0, shape: tuple[int, ...] = (6, 5, 3)) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    train = pictures(20)
    labels = [row % 2 for row in range(20)]
    write(tmp_path / "data/train-00000-of-00002.parquet", [png(p) for p in train[:12]], labels[:12], names=["a", "b"])
    write(tmp_path / "data/train-00001-of-00002.parquet", [png(p) for p in train[12:]], labels[12:], names=["a", "b"])
    write(tmp_path / "data/test.parquet", [png(p) for p in pictures(8, 1)], [row % 2 for row in range(8)])
    return tmp_path


def test_shards_pixels_labels_names(root: Path) -> None:
    data = load_dataset("parquet", root=str(root), validation=0.2)
    assert (data.classes, data.class_names, data.channels, data.height, data.width) == (2, ("a", "b"), 3, 6, 5)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 8)
    source = np.stack(pictures(20))
    rows = data.train.ids.numpy() - 1_000_000_000
    assert data.train.images(torch.arange(16)).numpy() == pytest.approx(source[rows].transpose(0, 3, 1, 2) / 255)
    assert data.train.labels.tolist() == (rows % 2).tolist()
    assert data.mean == pytest.approx((source[rows] / 255).mean((0, 1, 2)), abs=1e-4)
    assert data.std == pytest.approx((source[rows] / 255).std((0, 1, 2)), abs=1e-4)


def test_environment_variable_and_validation_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "data/validation.parquet", [png(p) for p in pictures(6, 2)], [0, 1] * 3)
    monkeypatch.setenv("RBSNN_PARQUET_ROOT", str(root))
    data = load_dataset("parquet")
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 6, 8)
    assert len(torch.cat([data.train.ids, data.validation.ids, data.test.ids]).unique()) == 34


def test_other_column_names_grey_and_plain_bytes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        images = [png(p) for p in pictures(10, shape=(4, 4))]
        write(tmp_path / f"{split}.parquet", images, list(range(10)), image="img", label="fine_label", struct=False)
    data = load_dataset("parquet", root=str(tmp_path), validation=0.0)
    assert (data.channels, data.classes) == (1, 10)
    assert data.test.images(torch.tensor([0])).shape == (1, 1, 4, 4)
    assert load_dataset("parquet", root=str(tmp_path), image_column="img", mean=(0.5,), std=(0.25,)).mean == (0.5,)


def test_the_fingerprint_tells_how_16_bits_are_read(tmp_path: Path) -> None:
    images, labels = [png(p.astype(np.uint16) * 257) for p in pictures(4, shape=(4, 4))], [0, 1, 0, 1]
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", images, labels)
    data = load_dataset("parquet", root=str(tmp_path), validation=0.0)
    assert sorted((data.test.images(torch.arange(4)) * 255).mean((1, 2, 3)).tolist()) == pytest.approx(
        sorted(p.mean() for p in pictures(4, shape=(4, 4)))
    )
    plain = fingerprint_items(torch.tensor(labels), images)
    assert data.fingerprint != fingerprint(plain, plain)  # under which there may be records of clipped images


def test_fingerprint_follows_content_not_shards_nor_limits(root: Path) -> None:
    first = load_dataset("parquet", root=str(root)).fingerprint
    columns = (torch.arange(20) % 2, pictures(20)), (torch.arange(8) % 2, pictures(8, 1))
    assert first == fingerprint(*(fingerprint_items(labels, map(png, found)) for labels, found in columns))
    assert load_dataset("parquet", root=str(root), limit=2, train_limit=3).fingerprint == first
    write(root / "data/test.parquet", [png(p) for p in pictures(8, 3)], [row % 2 for row in range(8)])
    assert load_dataset("parquet", root=str(root)).fingerprint != first


def test_subsets_and_sets_too_large_to_keep_agree(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = load_dataset("parquet", root=str(root))
    monkeypatch.setattr(encoded, "CACHE_BYTES", 100)
    fresh = load_dataset("parquet", root=str(root))
    rows = torch.tensor([5, 1, 1, 0])
    assert torch.equal(kept.test.images(rows), fresh.test.images(rows))
    assert torch.equal(kept.test.subset(rows).images(torch.arange(4)), fresh.test.subset(rows).images(torch.arange(4)))


def test_broken_file(root: Path) -> None:
    file = root / "data/test.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"test\.parquet is not a whole Parquet file"):
        load_dataset("parquet", root=str(root))


def test_broken_image_is_named_by_row(root: Path) -> None:
    images = [png(p) for p in pictures(8, 1)]
    images[5] = images[5][:40]
    write(root / "data/test.parquet", images, [row % 2 for row in range(8)])
    data = load_dataset("parquet", root=str(root))
    with pytest.raises(DatasetError, match=r"row 5 of .*test\.parquet"):
        data.test.images(torch.arange(8))


def test_hidden_labels_missing_columns_and_sizes(root: Path) -> None:
    images = [png(p) for p in pictures(2)]
    write(root / "data/test.parquet", images, [-1, -1])
    with pytest.raises(DatasetError, match="hides them"):
        load_dataset("parquet", root=str(root))
    write(root / "data/test.parquet", images, [0, 1], label="klass")
    with pytest.raises(DatasetError, match=r"no column label or .*it has image, klass: set dataset\.label_column"):
        load_dataset("parquet", root=str(root))
    write(root / "data/test.parquet", images, ["cat", "dog"])
    with pytest.raises(DatasetError, match="whole number"):
        load_dataset("parquet", root=str(root))
    write(root / "data/test.parquet", [png(p) for p in pictures(2, shape=(7, 7, 3))], [0, 1])
    with pytest.raises(DatasetError, match=r"set dataset\.image_size"):
        load_dataset("parquet", root=str(root)).test.images(torch.arange(2))
    assert load_dataset("parquet", root=str(root), image_size=4).test.images(torch.arange(2)).shape == (2, 3, 4, 4)


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RBSNN_PARQUET_ROOT", raising=False)
    with pytest.raises(DatasetError, match=r"No folder was named.*RBSNN_PARQUET_ROOT"):
        load_dataset("parquet")
    with pytest.raises(DatasetError, match=f"{tmp_path}.*"):
        load_dataset("parquet", root=str(tmp_path))


@pytest.mark.skipif("RBSNN_CIFAR10_PARQUET" not in os.environ, reason="RBSNN_CIFAR10_PARQUET is not set")
def test_cifar10() -> None:
    data = load_dataset("parquet", root=os.environ["RBSNN_CIFAR10_PARQUET"], limit=1000)
    assert (len(data.train), len(data.validation), data.classes) == (45_000, 5_000, 10)
    assert data.test.labels.bincount().tolist() == [100] * 10
    assert data.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=0.005)
    assert data.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=0.005)
