"""Zip files from strangers: refused in bounded time and memory, whatever they hold."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.archive import MOST_DIRECTORY, pack, unpack

Make = Callable[[zipfile.ZipFile], object]


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("table.json")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    for content in ("{}", "[]"):
        archive.writestr("table.json", content)


def bomb(archive: zipfile.ZipFile) -> None:
    packed = zipfile.ZipInfo("table.json")
    packed.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(packed, "w") as entry:
        for _ in range(64):
            entry.write(bytes(1 << 20))


def bomb_of_weights(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo(f"weights/{'a' * 64}.safetensors")
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, bytes(1 << 20))


def named(name: str) -> Make:
    return lambda archive: archive.writestr(name, "x")


HOSTILE: dict[str, tuple[Make, str]] = {
    "a path upwards": (named("../table.json"), "is no file of a submission"),
    "a path upwards inside": (named("weights/../../table.json"), "is no file of a submission"),
    "an absolute path": (named("/table.json"), "is no file of a submission"),
    "a path of another system": (named("..\\table.json"), "is no file of a submission"),
    "a drive": (named("C:/table.json"), "is no file of a submission"),
    "a folder": (named("weights/"), "is no file of a submission"),
    "a pickle": (named("weights.pt"), "is no file of a submission"),
    "a pickle among the weights": (named(f"weights/{'a' * 64}.pkl"), "is no file of a submission"),
    "code": (named("plugin.py"), "is no file of a submission"),
    "a name with a line break": (named("table.json\n"), "is no file of a submission"),
    "a link": (link, "is no plain file"),
    "a file twice": (twice, "holds a file twice"),
    "few bytes that unpack to many": (bomb_of_weights, "is packed in a way that rbsnn submit does not use"),
    "more than a table may have": (bomb, "unpacks to 67108864 bytes, more than"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_and_writes_nothing_outside(tmp_path: Path, name: str) -> None:
    make, told = HOSTILE[name]
    file, folder = tmp_path / "file.zip", tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        make(archive)
    with pytest.raises(UserError, match=told):
        unpack(file, folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def small() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.json", bytes(1000))
    return content.getvalue()


def test_a_size_that_is_not_true_ends_the_unpacking(tmp_path: Path) -> None:
    """The local header and the directory say 10 bytes; the deflated stream holds 1,000."""
    whole = bytearray(small())
    directory = whole.index(b"PK\1\2")
    struct.pack_into("<L", whole, 22, 10)
    struct.pack_into("<L", whole, directory + 24, 10)
    (tmp_path / "file.zip").write_bytes(whole)
    with pytest.raises(UserError):
        unpack(tmp_path / "file.zip", tmp_path)
    assert (tmp_path / "table.json").stat().st_size <= 10


def test_a_million_entries_are_refused_before_the_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    monkeypatch.setattr(zipfile, "ZipFile", None)  # whoever opened it would fail
    for count, said in ((1_000_000, 0xFFFF), (1_000_000, 7), (30_000, 30_000)):
        length = count * len(entry)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, length, 0, 0)
        (tmp_path / "file.zip").write_bytes(entry * count + end)
        assert length > MOST_DIRECTORY
        with pytest.raises(UserError, match=r"64-bit directory|a submission has 1000 at most"):
            unpack(tmp_path / "file.zip", tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"x" * 100, small()[:-1], small() + b"x", small()[30:]],
    ids=["empty", "two bytes", "no zip", "short", "long", "its end"],  # an archive holds the time
)
def test_what_is_no_zip_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.zip").write_bytes(content)
    with pytest.raises(UserError, match="zip"):
        unpack(tmp_path / "file.zip", tmp_path)


def test_what_was_packed_is_unpacked_and_packs_alike(tmp_path: Path) -> None:
    source, weights = tmp_path / "source", f"weights/{'0' * 64}.safetensors"
    (source / "weights").mkdir(parents=True)
    for name, content in {"table.json": b"{}", "manifest.json": b"[]", weights: bytes(range(256))}.items():
        (source / name).write_bytes(content)
    for name in ("a.zip", "b.zip"):
        pack(source, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    target = tmp_path / "target"
    target.mkdir()
    unpack(tmp_path / "a.zip", target)
    assert (target / weights).read_bytes() == bytes(range(256))
    assert (target / "table.json").read_bytes() == b"{}"
