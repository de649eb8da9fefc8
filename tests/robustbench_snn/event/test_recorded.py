"""Event cameras' files: against hand-made events and SpikingJelly; damaged files are refused by name."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.datasets.cifar10_dvs import _load_origin_data
from spikingjelly.datasets.utils import (
    integrate_events_by_fixed_frames_number,
    load_aedat_v3,
    load_ATIS_bin,
)

from robustbench_snn.errors import DatasetError, UserError
from robustbench_snn.event import recorded
from robustbench_snn.event.recorded import read_aedat2, read_aedat3, read_atis
from robustbench_snn.event.stream import By, Events, frames_of
from tests.event_files import (
    AEDAT2_HEADER,
    AEDAT3_HEADER,
    Event,
    packet,
    recording,
    write_aedat2,
    write_aedat3,
    write_atis,
)


def atis(path: Path) -> Events:
    return read_atis(path, 128, 128)


FORMATS: dict[str, tuple[Callable[[Path, list[Event]], None], Callable[[Path], Events], Callable[[Path], Any]]] = {
    "atis": (write_atis, atis, load_ATIS_bin),
    "aedat2": (write_aedat2, read_aedat2, _load_origin_data),
    "aedat3": (lambda path, events: write_aedat3(path, packet(events)), read_aedat3, load_aedat_v3),
}
HAND: list[Event] = [(5, 3, 7, 1), (80_000, 127, 0, 0), (80_000, 127, 0, 0), (8_000_000, 0, 126, 1)]


@pytest.mark.parametrize("name", FORMATS)
def test_events_are_those_that_were_written_and_on_is_channel_0(name: str, tmp_path: Path) -> None:
    write, read, _ = FORMATS[name]
    write(tmp_path / "one", HAND)
    events = read(tmp_path / "one")
    assert (events.height, events.width) == (128, 128)
    assert list(zip(*(c.tolist() for c in (events.t, events.x, events.y, events.p)), strict=True)) == [
        (5, 3, 7, 0),
        (80_000, 127, 0, 1),
        (80_000, 127, 0, 1),
        (8_000_000, 0, 126, 0),
    ]
    frames = frames_of(events, 2, "count")
    assert frames.nonzero().tolist() == [[0, 0, 7, 3], [0, 1, 0, 127], [1, 0, 126, 0], [1, 1, 0, 127]]


@pytest.mark.parametrize("by", ["time", "count"])
@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_spikingjellys_with_its_channels_swapped(name: str, by: By, tmp_path: Path) -> None:
    write, read, theirs = FORMATS[name]
    write(tmp_path / "one", recording(name, count=3000))
    found = {key: value.astype(np.int64) for key, value in theirs(tmp_path / "one").items()}
    split_by = "time" if by == "time" else "number"
    expected = integrate_events_by_fixed_frames_number(found, split_by, 7, 128, 128)
    assert torch.equal(frames_of(read(tmp_path / "one"), 7, by).flip(1), torch.from_numpy(expected).float())


def test_packets_of_other_kinds_are_passed_over_and_clocks_that_ran_over_count(tmp_path: Path) -> None:
    path = tmp_path / "one.aedat"
    write_aedat3(path, packet(HAND[:1]), packet(HAND, kind=2), packet([(3, 1, 2, 0)], overflow=1))
    assert read_aedat3(path).t.tolist() == [5, (1 << 31) + 3] == load_aedat_v3(path)["t"].tolist()


def test_events_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    write_atis(tmp_path / "one.bin", [(9, 1, 0, 1), (4, 2, 0, 1), (9, 3, 0, 0), (4, 4, 0, 1)])
    events = atis(tmp_path / "one.bin")
    assert (events.t.tolist(), events.x.tolist()) == ([4, 4, 9, 9], [2, 4, 1, 3])


def test_an_atis_event_of_row_240_moves_the_clock_and_is_none(tmp_path: Path) -> None:
    write_atis(tmp_path / "one.bin", [(100, 1, 1, 1), (200, 0, 240, 0), (300, 2, 2, 0), (0, 0, 240, 0), (5, 3, 3, 1)])
    events = atis(tmp_path / "one.bin")
    assert events.t.tolist() == [100, 300 + 8192, 5 + 2 * 8192]
    assert events.x.tolist() == [1, 2, 3]


HEADER = struct.Struct("<hhiiiiii")
DAMAGED: dict[str, tuple[str, bytes, str]] = {
    "atis empty": ("atis", b"", "holds no events"),
    "atis truncated": ("atis", bytes(14), "14 bytes are no whole number"),
    "atis outside": ("atis", bytes([1, 128, 0, 0, 0]), "column 1, row 128 is outside the sensor of 128x128"),
    "aedat2 without a header": ("aedat2", bytes(16), "does not begin with"),
    "aedat2 of another version": ("aedat2", AEDAT3_HEADER + bytes(8), "does not begin with"),
    "aedat2 without events": ("aedat2", AEDAT2_HEADER, "holds no events"),
    "aedat2 truncated": ("aedat2", AEDAT2_HEADER + bytes(12), "12 bytes of events are no whole number"),
    "aedat3 without a header": ("aedat3", packet(HAND), "no header of AEDAT 3"),
    "aedat3 header without an end": ("aedat3", b"#!AER-DAT3.1\r\n" + packet(HAND), "no header of AEDAT 3"),
    "aedat3 without events": ("aedat3", AEDAT3_HEADER, "holds no events"),
    "aedat3 truncated": ("aedat3", AEDAT3_HEADER + packet(HAND)[:-8], "promises 32 bytes where 24 are left"),
    "aedat3 truncated header": ("aedat3", AEDAT3_HEADER + packet(HAND) + bytes(5), "within the header of a packet"),
    "aedat3 lying capacity": (
        "aedat3",
        AEDAT3_HEADER + HEADER.pack(1, 1, 8, 4, 0, 2**31 - 1, 1, 1) + bytes(8),
        "promises 17179869176 bytes where 8 are left",
    ),
    "aedat3 lying size": ("aedat3", AEDAT3_HEADER + HEADER.pack(1, 1, 0, 4, 0, 3, 3, 3), "events of 0 bytes"),
    "aedat3 clock": ("aedat3", AEDAT3_HEADER + packet(HAND, overflow=-1), "ran over 4294967295 times"),
    "aedat3 outside": ("aedat3", AEDAT3_HEADER + packet([(1, 130, 4, 1)]), "column 130, row 4 is outside the sensor"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused_by_name(case: str, tmp_path: Path) -> None:
    kind, content, reason = DAMAGED[case]
    path = tmp_path / "some recording"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        FORMATS[kind][1](path)
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_file_of_bounded_size_is_not_opened(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    for what, reason in (("pipe", "a pipe"), ("folder", "a folder"), ("large", "are the most"), ("none", "No such")):
        with pytest.raises(DatasetError, match=reason):
            FORMATS[name][1](tmp_path / what)


@pytest.mark.parametrize("name", ["atis", "aedat2"])
def test_a_torchaudio_for_another_torch_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchaudio 2.11 with torch 2.6, which pip installs side by side, says it."""

    def unfit(module: str) -> None:
        raise OSError("_torchaudio.abi3.so: undefined symbol: aoti_torch_abi_version")

    monkeypatch.setattr(recorded, "import_module", unfit)
    write, read, _ = FORMATS[name]
    write(tmp_path / "one", HAND)
    with pytest.raises(UserError, match=r"undefined symbol.*pip install 'torchaudio==2\.\d+\.\*'") as error:
        read(tmp_path / "one")
    assert not isinstance(error.value, DatasetError)  # the file is sound
