"""Digests of files: by content, remembered until a file is touched."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from robustbench_snn.dataset import content
from robustbench_snn.dataset.content import cache_file, digest_of, forget
from robustbench_snn.errors import DatasetError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of this test, for files of any age."""
    monkeypatch.setenv("RBSNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "SETTLED_SECONDS", -60.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b.png"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 100)
    return tmp_path / "images"


def replace(file: Path, data: bytes) -> None:
    """Other content of the same size, under the time of before."""
    before = file.stat()
    assert len(data) == before.st_size
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_replaced_file_is_noticed_even_with_size_and_time_kept(folder: Path) -> None:
    for place in (folder, folder / "a.png"):
        before = digest_of(place)
        assert digest_of(place) == before
        time.sleep(0.05)  # the clock of the file system ticks in milliseconds
        replace(folder / "a.png", os.urandom(500))
        assert digest_of(place) != before


def test_names_and_files_count(folder: Path) -> None:
    before = digest_of(folder)
    assert digest_of(folder, [folder / "a.png"]) != before
    (folder / "sub/b.png").rename(folder / "sub/c.png")
    renamed = digest_of(folder)
    (folder / "new.png").touch()
    assert len({before, renamed, digest_of(folder)}) == 3
    moved = digest_of(folder)
    assert digest_of(folder.rename(folder.with_name("moved"))) == moved


def test_files_are_read_once_until_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = content._sha256

    def counted(file: Path) -> str:
        read.append(file)
        return real(file)

    monkeypatch.setattr(content, "_sha256", counted)
    first = digest_of(folder)
    assert digest_of(folder) == first
    assert len(read) == 2
    forget()
    assert digest_of(folder) == first
    assert len(read) == 4


def test_forgetting_undoes_a_wrong_entry(folder: Path) -> None:
    right = digest_of(folder)
    entries = json.loads(cache_file().read_text())
    entries[str(folder)][1] = "0" * 64
    cache_file().write_text(json.dumps(entries))
    assert digest_of(folder) == "0" * 64
    forget()
    forget()
    assert digest_of(folder) == right


def test_a_file_that_was_just_written_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SETTLED_SECONDS", 60.0)
    digest_of(folder)
    assert not cache_file().exists()


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_or_unwritable_cache_only_costs_time(folder: Path, damage: str) -> None:
    right = digest_of(folder)
    cache_file().write_text(damage)
    assert digest_of(folder) == right
    forget()
    cache_file().parent.rmdir()
    cache_file().parent.write_text("a file where the folder should be")
    assert digest_of(folder) == right


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.npy cannot be read: No such file"):
        digest_of(folder / "nowhere.npy")
