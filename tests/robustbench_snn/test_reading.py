"""Files that are none, or that lie about themselves: each is one message, soon, and no memory is set apart for it."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robustbench_snn.reading import MALFORMED, UnfitFileError, check_file, read_bytes, read_npz, read_parquet


def test_a_pipe_a_device_a_folder_and_nothing_are_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("pipe", "link"):
        with pytest.raises(UnfitFileError, match="a pipe or device, not a regular file"):
            check_file(tmp_path / name, 10)
    with pytest.raises(UnfitFileError, match="a folder"):
        check_file(tmp_path, 10)
    for name in ("dangling", "nothing"):
        with pytest.raises(FileNotFoundError):
            check_file(tmp_path / name, 10)
    with pytest.raises(UnfitFileError, match="names no file"):
        check_file(tmp_path / "a\0b", 10)


def test_the_bound_is_the_last_size_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    assert read_bytes(file, 10) == b"x" * 10
    with pytest.raises(UnfitFileError, match="it has 10 bytes, 9 are the most"):
        read_bytes(file, 9)
    with pytest.raises(UnfitFileError, match="grew while it was read"):
        read_bytes(Path("/proc/self/status"), 1 << 20)


def test_all_that_reading_raises_is_an_os_error() -> None:
    assert issubclass(UnfitFileError, OSError)
    assert OSError in MALFORMED


@contextmanager
def member(file: Path, name: str = "ids.npy") -> Iterator[io.BytesIO]:
    content = io.BytesIO()
    yield content
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content.getvalue())


def header(shape: tuple[int, ...], descr: str = "<i8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": descr})
    return stream.getvalue()


def test_arrays_of_all_kinds_of_numbers_come_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "a": random.integers(0, 256, (3, 2), dtype=np.uint8),
        "b": np.asfortranarray(random.random((4, 5))),
        "c": np.array(3),
        "d": np.zeros((0, 7), np.float16),
        "e": np.array([True, False]),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "set.npz", **arrays)
        found = read_npz(tmp_path / "set.npz")
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((1 << 45,)) + bytes(64), r"promises 281474976710656 bytes of shape \(35184372088832,\), and has 64"),
        (header((8,)), "promises 64 bytes"),
        (header((2,), "<U3") + bytes(24), "holds <U3, not numbers"),
        (header((2,), "|O") + bytes(16), "holds object, not numbers"),
        (header((1 << 40,), "|V0"), "not numbers"),
        (b"\x93NUMPY\x01\x00\x10\x00{'shape': (1,\n   ", "."),
        (b"", "."),
    ],
)
def test_a_lying_header_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with member(tmp_path / "set.npz") as file:
        file.write(content)
    with pytest.raises(UnfitFileError, match=message):
        read_npz(tmp_path / "set.npz")


def test_a_zip_that_is_cut_flipped_or_a_bomb_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    np.savez(file, ids=np.arange(100))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnfitFileError, match="not a zip file"):
        read_npz(file)
    flipped = bytearray(whole)
    flipped[300] ^= 1
    file.write_bytes(flipped)
    with pytest.raises(UnfitFileError, match="Bad CRC-32"):
        read_npz(file)
    np.save(tmp_path / "ids.npy", np.arange(100))
    with pytest.raises(UnfitFileError, match="not a zip file"):
        read_npz(tmp_path / "ids.npy")
    np.savez_compressed(file, ids=np.zeros(1 << 20))
    assert file.stat().st_size < 1 << 14
    with pytest.raises(UnfitFileError, match="unpacks to 8388736 bytes"):
        read_npz(file, 1 << 20)


def test_columns_of_a_parquet_file_come_back(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(10_000)), "b": ["x", "y"] * 5000, "c": [None] * 10_000})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=3000)
    assert read_parquet(tmp_path / "t.parquet") == table
    assert read_parquet(tmp_path / "t.parquet", ["b"]) == table.select(["b"])
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    assert read_parquet(tmp_path / "none.parquet", ["a"]).schema.names == ["a"]
    with pytest.raises(UnfitFileError, match="it has no column d"):
        read_parquet(tmp_path / "t.parquet", ["d"])


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.zeros(1 << 20)}), file, compression="zstd", use_dictionary=False)
    with pytest.raises(UnfitFileError, match=r"it unpacks to .* bytes or rows, 1048576 are the most"):
        read_parquet(file, most=1 << 20)
    # One large value, a dictionary's, repeated: sizes on disk say nothing of it.
    pq.write_table(pa.table({"a": [b"x" * (1 << 20)] * 100}), file, store_schema=False)
    assert pq.ParquetFile(file).metadata.row_group(0).total_byte_size < 2 << 20
    with pytest.raises(UnfitFileError, match="it unpacks to"):
        read_parquet(file, most=10 << 20, rows_at_once=4)
    assert read_parquet(file, most=200 << 20, rows_at_once=4).num_rows == 100


def test_any_flipped_bit_of_a_parquet_file_is_an_os_error_or_a_table(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}), file)
    whole = file.read_bytes()
    refused = 0
    for place in range(0, 8 * len(whole), 23):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            read_parquet(file)
        except OSError:
            refused += 1
    assert refused > 10
