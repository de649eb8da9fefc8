"""Images in class folders."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.encoded import ImageFormat
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.datasets.image_folder import _scan
from robustbench_snn.errors import DatasetError, UserError
from robustbench_snn.training import Recipe
from robustbench_snn.training.batches import AHEAD, TrainingBatches
from tests.fuzzing.whole import write_parquet


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
    plain = (_scan(root, split, data.class_names).fingerprint for split in ("train", "val"))
    assert data.fingerprint == fingerprint(*plain)  # nothing but the files: keys of published records
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


def refill(root: Path, ending: str, make: Callable[[int], Image.Image]) -> None:
    """Puts other images, made of their numbers, in place of all."""
    for number, file in enumerate(sorted(root.glob("*/*/*.png"))):
        file.unlink()
        make(number).save(file.with_suffix(ending))


@pytest.mark.parametrize("ending", [".png", ".pgm"])
def test_16_bits_of_grey_are_scaled_to_8(root: Path, ending: str) -> None:
    ramp = np.array([[0, 128, 129, 255, 256, 257, 32767, 65279, 65406, 65535]], np.uint16)
    refill(root, ending, lambda _: Image.fromarray(ramp))
    data = load_dataset("image_folder", root=str(root))
    assert (data.channels, data.height, data.width) == (1, 1, 10)
    expected = torch.tensor([0, 0, 1, 1, 1, 1, 127, 254, 254, 255]).expand(6, 1, 1, 10)
    assert torch.equal(data.test.images(torch.arange(6)), expected / 255)
    plain = fingerprint(*(_scan(root, split, ["ant", "bee"]).fingerprint for split in ("train", "val")))
    assert data.fingerprint != plain  # under which there may be records of clipped images


@pytest.mark.parametrize("pixels", [np.full((8, 10), 300, np.uint16), np.full((8, 10), 0.5, np.float32)])
def test_pixels_whose_white_is_not_known(root: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(root / "val/bee/3.tif")
    data = load_dataset("image_folder", root=str(root))
    with pytest.raises(DatasetError, match=r"val/bee/3\.tif is a TIFF of mode .*convert the set to 8 bits"):
        data.test.images(torch.arange(7))
    Image.fromarray(pixels).save(root / "train/ant/+.tif")  # the first of all
    with pytest.raises(DatasetError, match=r"train/ant/\+\.tif is a TIFF"):
        load_dataset("image_folder", root=str(root))


def test_colour_in_a_grey_set_is_refused_and_grey_in_a_coloured_one_is_not(root: Path) -> None:
    grey = Image.linear_gradient("L").resize((10, 8))
    grey.save(root / "val/ant/0.png")
    grey.convert("LA").save(root / "val/ant/1.png")
    images = load_dataset("image_folder", root=str(root)).test.images(torch.arange(6))
    assert sum(bool((image == image[:1]).all()) for image in images) == 2
    refill(root, ".png", lambda number: grey.convert(("L", "RGB", "LA", "P")[number % 4]))  # grey, however stored
    data = load_dataset("image_folder", root=str(root))
    pixels = torch.from_numpy(np.asarray(grey).copy()).expand(12, 1, 8, 10)
    assert torch.equal(data.train.images(torch.arange(12)), pixels / 255)
    Image.new("RGB", (10, 8), "red").save(root / "val/bee/1.png")
    data = load_dataset("image_folder", root=str(root))
    with pytest.raises(DatasetError, match=r"val/bee/1\.png is in colour, and .*train/ant/0\.png is grey.*convert"):
        data.test.images(torch.arange(6))


@pytest.mark.parametrize("name", ["image_folder", "parquet"])
def test_what_changes_the_pixels_or_their_statistics_changes_the_fingerprint(root: Path, name: str) -> None:
    """It is all that keys know of a dataset: with another size the numbers of the first were shown."""
    if name == "parquet":
        write_parquet(root)
    asked: list[dict[str, Any]] = [
        {},
        {"image_size": 4},
        {"image_size": 6},
        {"mean": (0.5,) * 3, "std": (0.2,) * 3},
        {"mean": (0.5,) * 3, "std": (0.3,) * 3},
    ]
    asked += [{"image_size": 4, "resize_ratio": 1.5}] if name == "image_folder" else []
    found = [load_dataset(name, root=str(root), **parameters).fingerprint for parameters in asked]
    assert len(set(found)) == len(asked)
    assert load_dataset(name, root=str(root), limit=2, validation=0.25).fingerprint == found[0]


@pytest.mark.parametrize("given", ["mean", "std"])
@pytest.mark.parametrize("name", ["image_folder", "parquet"])
def test_mean_and_std_go_together(root: Path, name: str, given: str) -> None:
    if name == "parquet":
        write_parquet(root)
    with pytest.raises(UserError, match=rf"dataset\.{given} is given without dataset\.(mean|std); give both"):
        load_dataset(name, root=str(root), **{given: (0.5,) * 3})


@pytest.fixture
def many(root: Path) -> Path:
    """2,000 images for training; most are one file under many names."""
    for number in range(2000 - 12):
        (root / f"train/ant/link-{number}.png").hardlink_to(root / "train/ant/0.png")
    return root


def test_a_large_folder_takes_little_memory(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustbench_snn.dataset.encoded.CACHE_BYTES", 100_000)
    tracemalloc.start()
    data = load_dataset("image_folder", root=str(many), mean=(0.5,) * 3, std=(0.2,) * 3, validation=0.1)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2000 * 300  # of which a name takes about 80 bytes, and tensors are not counted
    assert (len(data.train), len(data.validation)) == (1800, 200)
    assert torch.equal(
        data.train.images(torch.tensor([7])), data.train.subset(torch.tensor([7])).images(torch.arange(1))
    )


def test_training_reads_a_few_batches_ahead(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    plain = ImageFormat.decode

    def counted(form: ImageFormat, source: bytes | Path, what: str) -> torch.Tensor:
        decoded.append(what)
        return plain(form, source, what)

    monkeypatch.setattr(ImageFormat, "decode", counted)
    for kept, cache in ((False, 100_000), (True, 2**31)):
        monkeypatch.setattr("robustbench_snn.dataset.encoded.CACHE_BYTES", cache)
        data = load_dataset("image_folder", root=str(many), mean=(0.5,) * 3, std=(0.2,) * 3)
        facts: dict[str, Any] = {"classes": 2, "mean": data.mean, "seed": 0}
        first, second = (TrainingBatches(data.train, Recipe(batch_size=100), **facts, epoch=epoch) for epoch in (0, 1))
        seen = []
        decoded.clear()
        for images, _, labels in first:
            seen.append((images, labels))
            assert len(decoded) <= (len(seen) + AHEAD) * 100
        assert len(decoded) in (1999, 2000)  # one was decoded as the folder was loaded, for its shape
        for index in (0, 7, 19):  # alone, in this thread
            assert torch.equal(seen[index][0], first[index][0])
            assert torch.equal(seen[index][1], first[index][2])
        decoded.clear()
        next(iter(second))
        assert bool(decoded) is not kept


def test_a_broken_image_ends_the_epoch(many: Path) -> None:
    data = load_dataset("image_folder", root=str(many), mean=(0.5,) * 3, std=(0.2,) * 3)
    (many / "train/bee/3.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"train/bee/3\.png is not a whole image"):
        list(TrainingBatches(data.train, Recipe(batch_size=100), classes=2, mean=data.mean, seed=0, epoch=0))
