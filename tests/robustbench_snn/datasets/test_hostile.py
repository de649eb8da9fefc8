"""Files of datasets from strangers: each is one message of a kind that the command line prints, and soon."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.dataset import encoded, load_dataset
from robustbench_snn.dataset.content import digest_of
from robustbench_snn.errors import DatasetError
from tests.fuzzing import whole


@pytest.fixture
def images(tmp_path: Path) -> Path:
    whole.write_images(tmp_path)
    return tmp_path


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels a side."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_pipe_or_a_device_among_images(images: Path) -> None:
    file = images / "train" / "bee" / "x.png"
    for is_pipe in (True, False):
        os.mkfifo(file) if is_pipe else file.symlink_to("/dev/zero")
        with pytest.raises(DatasetError, match=r"x\.png cannot be read: it is a pipe or device"):
            load_dataset("image_folder", root=str(images))
        file.unlink()


def test_a_dangling_link_among_images(images: Path) -> None:
    (images / "train" / "ant" / "9.png").symlink_to(images / "nothing.png")
    with pytest.raises(DatasetError, match=r"9\.png cannot be read: No such file"):
        load_dataset("image_folder", root=str(images))


def test_train_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "train").touch()
    (tmp_path / "test").mkdir()
    with pytest.raises(DatasetError, match="train must be a folder of class folders: Not a directory"):
        load_dataset("image_folder", root=str(tmp_path))


@pytest.mark.parametrize("side", [9000, 50_000])  # above our bound, and above Pillow's own
def test_a_bomb_as_first_image(images: Path, side: int) -> None:
    (images / "train" / "ant" / "0.png").write_bytes(bomb(side))
    with pytest.raises(DatasetError, match="not a whole image"):
        load_dataset("image_folder", root=str(images))


def test_a_bomb_as_later_image(images: Path) -> None:
    (images / "test" / "ant" / "0.png").write_bytes(bomb(9000))
    data = load_dataset("image_folder", root=str(images), image_size=4)
    with pytest.raises(DatasetError, match="9000x9000 pixels, 67108864 are the most"):
        data.test.images(torch.arange(len(data.test)))


@pytest.mark.parametrize("settings", [{"image_size": 10**6}, {"image_size": 100, "resize_ratio": 1e9}])
def test_images_brought_to_an_impossible_size(images: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="is too large: 67108864 pixels are the most"):
        load_dataset("image_folder", root=str(images), **settings)


def test_a_line_of_pixels_is_not_scaled_to_a_wall(images: Path) -> None:
    Image.new("RGB", (60_000, 1)).save(images / "test" / "ant" / "0.png")
    data = load_dataset("image_folder", root=str(images), image_size=224)
    with pytest.raises(DatasetError, match="60000x1 pixels, and 13440000x224 when its shorter side is scaled"):
        data.test.images(torch.arange(len(data.test)))


def test_an_image_that_starts_a_program_is_not_opened(images: Path) -> None:
    packed = io.BytesIO()
    Image.new("RGB", (8, 9)).save(packed, "EPS")
    (images / "train" / "ant" / "0.png").write_bytes(packed.getvalue())
    with Image.open(images / "train" / "ant" / "0.png") as known:
        assert known.format == "EPS"  # Pillow would, by Ghostscript
    with pytest.raises(DatasetError, match="not a whole image"):
        load_dataset("image_folder", root=str(images))


def test_names_that_are_no_text(images: Path) -> None:
    os.rename(images / "test" / "ant" / "0.png", os.fsencode(images / "test" / "ant") + b"/\xff\xfe.png")
    data = load_dataset("image_folder", root=str(images))
    assert len(data.test.ids.unique()) == len(data.test) == 4


def test_a_home_of_nobody_and_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="determine home directory"):
        load_dataset("image_folder", root="~nobody-of-this-name/images")
    with pytest.raises(DatasetError, match="cannot be looked into: File name too long"):
        load_dataset("image_folder", root=str(tmp_path / ("x" * 300)))


def parquet(folder: Path, labels: Sequence[Any], **images: Any) -> None:
    whole.write_parquet(folder)
    found = pq.read_table(folder / "train.parquet")
    rows = found.column("image").to_pylist()
    pq.write_table(pa.table({"image": rows, "label": pa.array(labels, **images)}), folder / "train.parquet")


@pytest.mark.parametrize(("label", "kind"), [(10**12, pa.int64()), ((1 << 64) - 1, pa.uint64())])
def test_a_label_of_a_trillion(tmp_path: Path, label: int, kind: pa.DataType) -> None:
    parquet(tmp_path, [0] * 7 + [label], type=kind)
    with pytest.raises(DatasetError, match=f"column 'label' holds the label {label}; labels are classes"):
        load_dataset("parquet", root=str(tmp_path))


def test_a_column_of_images_twice(tmp_path: Path) -> None:
    whole.write_parquet(tmp_path)
    table = pq.read_table(tmp_path / "train.parquet")
    pq.write_table(table.append_column("image", table.column("image")), tmp_path / "train.parquet")
    with pytest.raises(DatasetError, match="no column image, or several"):
        load_dataset("parquet", root=str(tmp_path))


def test_a_pipe_as_dataset(tmp_path: Path) -> None:
    whole.write_parquet(tmp_path)
    (tmp_path / "train.parquet").unlink()
    os.mkfifo(tmp_path / "train.parquet")
    with pytest.raises(DatasetError, match="a pipe or device"):
        load_dataset("parquet", root=str(tmp_path))


def lying(shape: tuple[int, ...]) -> Callable[[bytes], bytes]:
    return lambda content: content[:4] + struct.pack(">3I", *shape) + content[16:]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0xFFFFFFFF,) * 3, "its header promises 4294967295 x 4294967295 x 4294967295 bytes"),
        ((1 << 16, 1 << 16, 1 << 32 - 1), "its header promises"),  # 2^63: a signed product would be negative
        ((20, 28, 1 << 16), "promises 36700160 bytes, it has"),
        ((20, 28, 29), "but its header promises 20 x 28 x 29"),
        ((20, 28, 27), "holds more"),
        ((20, 0, 0), "its header promises 20 x 0 x 0 bytes; 1 to"),
    ],
)
def test_idx_files_that_lie_about_their_sizes(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    file = whole.write_idx("")(tmp_path)
    file.write_bytes(lying(shape)(file.read_bytes()))
    with pytest.raises(DatasetError, match=message):
        load_dataset("fashion_mnist", root=str(tmp_path))


def test_an_idx_file_that_unpacks_to_more_than_it_promises(tmp_path: Path) -> None:
    import gzip

    file = whole.write_idx(".gz")(tmp_path)
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) + bytes(64 << 20)))
    with pytest.raises(DatasetError, match="holds more, but its header promises 20 x 28 x 28"):
        load_dataset("fashion_mnist", root=str(tmp_path))


def test_a_pipe_among_cifars_batches(tmp_path: Path) -> None:
    whole.write_cifar(tmp_path).unlink()
    os.mkfifo(tmp_path / "cifar-10-batches-py" / "data_batch_1")
    with pytest.raises(DatasetError, match="a pipe or device"):
        load_dataset("cifar10", root=str(tmp_path))


def test_published_corruptions_that_are_no_arrays(tmp_path: Path) -> None:
    whole.write_corrupted(tmp_path)
    np.savez(tmp_path / "fog.npz", np.zeros(3))
    (tmp_path / "fog.npz").rename(tmp_path / "fog.npy")  # numpy opens it as it opens any
    with pytest.raises(DatasetError, match=r"fog\.npy is not a whole \.npy file"):
        PublishedCorruptions(tmp_path, "cifar10-c", samples=4).images("fog", 1)
    (tmp_path / "labels.npy").unlink()
    (tmp_path / "labels.npy").symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match="is missing"):
        PublishedCorruptions(tmp_path, "cifar10-c", samples=4).labels("fog", 1)
    with pytest.raises(DatasetError, match="a pipe or device"):
        digest_of(tmp_path / "labels.npy")


def test_the_bound_of_pixels_leaves_room_for_photographs() -> None:
    assert encoded.MOST_PIXELS > 7000 * 9000  # the largest of ImageNet's are some 60 million
