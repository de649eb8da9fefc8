"""Images in class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for label, name in enumerate(("ant", "bee")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 100, (8, 10, 3), dtype=np.uint8) + 100 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


def test_pixels_and_labels(root: Path) -> None:
    data = load_dataset("image_folder", root=str(root))
    assert (data.classes, data.class_names, data.height, data.width) == (2, ("ant", "bee"), 8, 10)
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 0, 6)
    images = data.test.images(torch.arange(6))
    assert ((images.mean((1, 2, 3)) > 100 / 255) == data.test.labels.bool()).all()
    sources = {float(np.asarray(Image.open(file)).sum()) for file in root.glob("val/*/*.png")}
    assert {float(total) for total in (images * 255).round().sum((1, 2, 3))} == sources


def test_test_and_val_together(root: Path) -> None:
    (root / "train").rename(root / "t")
    (root / "val").rename(root / "test")
    (root / "t").rename(root / "train")
    for file in root.glob("test/*/0.png"):
        target = root / "val" / file.parent.name
        target.mkdir(parents=True)
        file.rename(target / file.name)
    data = load_dataset("image_folder", root=str(root))
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 2, 4)


def test_resize_and_centre_crop(root: Path) -> None:
    data = load_dataset("image_folder", root=str(root), image_size=8)
    plain = load_dataset("image_folder", root=str(root))
    rows = torch.arange(6)
    assert torch.equal(data.test.images(rows), plain.test.images(rows)[..., 1:9])  # 8x10: no scaling, one column a side
    assert load_dataset("image_folder", root=str(root), image_size=4, resize_ratio=1.5).test.images(rows).shape[2:] == (
        4,
        4,
    )


def test_ids_follow_the_names_and_survive_new_files(root: Path) -> None:
    before = load_dataset("image_folder", root=str(root))
    Image.new("RGB", (10, 8)).save(root / "train/ant/00.png")
    after = load_dataset("image_folder", root=str(root))
    assert set(before.train.ids.tolist()) < set(after.train.ids.tolist())
    assert before.fingerprint != after.fingerprint
    moved = load_dataset("image_folder", root=str(root.rename(root.with_name("moved"))))
    assert moved.fingerprint == after.fingerprint
    assert torch.equal(moved.test.ids, after.test.ids)


def test_the_fingerprint_notices_a_replaced_image(root: Path) -> None:
    before = load_dataset("image_folder", root=str(root)).fingerprint
    file = root / "val/bee/2.png"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    assert load_dataset("image_folder", root=str(root)).fingerprint != before
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    assert load_dataset("image_folder", root=str(root)).fingerprint == before


def test_errors(root: Path, tmp_path: Path) -> None:
    (root / "val/ant/1.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"val/ant/1\.png is not a whole image"):
        load_dataset("image_folder", root=str(root)).test.images(torch.arange(6))
    (root / "val/cat").mkdir()
    with pytest.raises(DatasetError, match="val/cat is of a class"):
        load_dataset("image_folder", root=str(root))
    with pytest.raises(DatasetError, match="was not found"):
        load_dataset("image_folder", root=str(tmp_path / "none"))
