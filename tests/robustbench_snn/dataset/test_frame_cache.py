"""Frames on disk: what is read is what was made, damage is mended, and makers do not hurt each other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from robustbench_snn.dataset import frame_cache
from robustbench_snn.dataset.frame_cache import FrameCache
from robustbench_snn.errors import DatasetError

SHAPE = (2, 2, 3, 4)
COUNT = 10
RANDOM = torch.Generator().manual_seed(0)
WHOLE = torch.randint(256, (COUNT, *SHAPE), dtype=torch.uint8, generator=RANDOM)
ROWS = torch.tensor([9, 0, 4, 4, 3])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of this test, with four recordings in a file."""
    monkeypatch.setenv("RBSNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(frame_cache, "PIECE_BYTES", 4 * 48 + 1)


class Maker:
    """Makes counts, and keeps in mind which."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, row: int) -> Tensor:
        self.made.append(row)
        return WHOLE[row]


def cache(make: Callable[[int], Tensor]) -> FrameCache:
    return FrameCache("some-key", COUNT, SHAPE, make)


def test_pieces_are_made_once_and_read_by_whoever_comes_later(tmp_path: Path) -> None:
    first, later = Maker(), Maker()
    frames = cache(first)
    assert torch.equal(frames(torch.tensor([5])), WHOLE[[5]])
    assert first.made == [4, 5, 6, 7]
    assert torch.equal(frames(ROWS), WHOLE[ROWS])
    assert sorted(first.made) == list(range(COUNT))
    assert torch.equal(cache(later)(ROWS), WHOLE[ROWS])
    assert later.made == []
    names = sorted(path.name for path in (tmp_path / "cache/event_frames/some-key").iterdir())
    assert names == [f"0000{piece}.safetensors" for piece in range(3)]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def another(path: Path) -> None:
    path.write_bytes(save({"counts": WHOLE[:4]}))


def enlarge(path: Path) -> None:
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("damage", [truncate, flip, pipe, another, enlarge, Path.unlink])
def test_a_damaged_piece_is_made_anew(damage: Callable[[Path], None]) -> None:
    frames = cache(Maker())
    frames(torch.arange(COUNT))
    before = frames.file(1).read_bytes()
    damage(frames.file(1))
    again = Maker()
    assert torch.equal(cache(again)(torch.arange(COUNT)), WHOLE)
    assert again.made == [4, 5, 6, 7]
    assert frames.file(1).read_bytes() == before


def test_makers_at_once_do_not_hurt_each_other(tmp_path: Path) -> None:
    begun, found = threading.Barrier(4), []

    def make(row: int) -> Tensor:
        if row % 4 == 0 and row < 8:
            begun.wait(timeout=60)  # all four are making the piece before any has written it
        return WHOLE[row]

    threads = [threading.Thread(target=lambda: found.append(cache(make)(torch.arange(8)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(frames, WHOLE[:8]) for frames in found)
    assert len(list((tmp_path / "cache").rglob("*.*"))) == 2  # nothing half-written is left


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/event_frames").write_text("a file where a folder should be")
    with pytest.raises(DatasetError, match="set the environment variable RBSNN_CACHE"):
        cache(Maker())(ROWS)
