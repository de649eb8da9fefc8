"""Recordings of event cameras from files: ATIS, AEDAT 2.0 and AEDAT 3.1.

All three formats, as SpikingJelly reads them, give an event of rising brightness the polarity 1; here ON is channel 0,
so p = 1 - polarity. Files are regular, of bounded size, checked before their bytes are believed; events are put in the
order of time. A recording without events is none.
"""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from robustbench_snn.errors import DatasetError, UserError
from robustbench_snn.event.stream import Events
from robustbench_snn.reading import MALFORMED, UnfitFileError, check_file

MOST_EVENTS = 1 << 24
"""Most events of an ATIS or AEDAT 2.0 file, which holds one recording."""

MOST_BYTES = 1 << 29
"""Most bytes of an AEDAT 3.1 file, which holds a person's gestures."""

DVS128 = 128
"""Height and width of the sensor of a DVS128."""

_ATIS_EVENT, _AEDAT_EVENT, _PACKET_HEADER = 5, 8, 28
_OVERFLOW_ROW, _OVERFLOW_TIME = 240, 1 << 13
_MOST_HEADER = 1 << 16
_END_HEADER = b"#!END-HEADER\r\n"
_POLARITY = 1
"""Type of the packets of AEDAT 3.1 that hold events of pixels."""


def read_atis(path: Path, height: int, width: int) -> Events:
    """An ATIS file (``.bin``) of N-MNIST or N-Caltech101, by SpikingJelly's ``load_ATIS_bin``.

    Events are of five bytes: x, y, the polarity (1 is ON) and 23 bits of microseconds. An event of row 240 is none: it
    says that the clock ran over, and the times from there on rise by 8,192; tonic reads it so, SpikingJelly does not.

    Raises:
        DatasetError: if it is no such file, is truncated, or has an event outside the sensor.
        UserError: if SpikingJelly's readers cannot be loaded.
    """
    load_atis = _spikingjelly("utils").load_ATIS_bin
    try:
        size = check_file(path, MOST_EVENTS * _ATIS_EVENT).st_size
        if size % _ATIS_EVENT:
            raise UnfitFileError(f"its {size} bytes are no whole number of events of {_ATIS_EVENT}")
        found = load_atis(path)
        column, row = found["x"].astype(np.int64), found["y"].astype(np.int64)
        overflow = row == _OVERFLOW_ROW
        time = found["t"].astype(np.int64) + np.cumsum(overflow) * _OVERFLOW_TIME
        kept = ~overflow
        return _events(time[kept], column[kept], row[kept], found["p"][kept], height, width)
    except MALFORMED as error:
        raise _damaged(path, error) from None


def read_aedat2(path: Path) -> Events:
    """An AEDAT 2.0 file of CIFAR10-DVS, recorded by a DVS128, by SpikingJelly's ``_load_origin_data``.

    Its column is 127 - y and its row 127 - x of the address, as in all work that reads the dataset with it. In the
    address a polarity bit of 0 is ON, as jAER reads it; SpikingJelly gives 1 - bit.

    Raises:
        DatasetError: if it is no such file, or is truncated within an event.
        UserError: if SpikingJelly's readers cannot be loaded.
    """
    readers = _spikingjelly("cifar10_dvs")
    try:
        size = check_file(path, MOST_EVENTS * _AEDAT_EVENT + _MOST_HEADER).st_size
        with path.open("rb") as file:
            if not file.read(len(b"#!AER-DAT2")).startswith(b"#!AER-DAT2"):
                raise UnfitFileError("it does not begin with #!AER-DAT2")
            file.seek(0)
            body = size - readers._skip_header(file)
        if body % _AEDAT_EVENT:
            raise UnfitFileError(f"its {body} bytes of events are no whole number of events of {_AEDAT_EVENT}")
        found = readers._load_origin_data(path)
        return _events(found["t"], found["x"], found["y"], found["p"], DVS128, DVS128)
    except MALFORMED as error:
        raise _damaged(path, error) from None


def read_aedat3(path: Path) -> Events:
    """All events of an AEDAT 3.1 file of DVS128-Gesture, which holds one person's gestures.

    They are those of SpikingJelly's ``load_aedat_v3``, which makes a Python number of each field and believes what a
    packet says of its size; here packets are checked and read by numpy. A polarity bit of 1 is ON.

    Raises:
        DatasetError: if it is no such file, is truncated, or has an event outside the sensor.
    """
    try:
        size = check_file(path, MOST_BYTES).st_size
        with path.open("rb") as file:
            start = file.read(_MOST_HEADER)
            if not start.startswith(b"#!AER-DAT3") or _END_HEADER not in start:
                raise UnfitFileError("it has no header of AEDAT 3")
            file.seek(start.index(_END_HEADER) + len(_END_HEADER))
            packets = list(_packets(file, size))
        data = np.concatenate([events[:, 0] for events, _ in packets] or [np.zeros(0, np.uint32)])
        times = [events[:, 1].astype(np.int64) | (over << 31) for events, over in packets]
        time = np.concatenate(times or [np.zeros(0, np.int64)])
        return _events(time, data >> 17 & 0x7FFF, data >> 2 & 0x7FFF, data >> 1 & 1, DVS128, DVS128)
    except MALFORMED as error:
        raise _damaged(path, error) from None


def _spikingjelly(module: str) -> Any:
    """A module of SpikingJelly's datasets, all of which import torchaudio: pip installs the newest with any torch."""
    try:
        return import_module(f"spikingjelly.datasets.{module}")
    except (ImportError, OSError) as error:
        fit = ".".join(torch.__version__.split(".")[:2])
        raise UserError(
            f"SpikingJelly's readers of event recordings cannot be loaded ({type(error).__name__}: {error}). If "
            f"torchaudio is to blame, it fits another torch than {torch.__version__}: pip install 'torchaudio=={fit}.*'"
        ) from None


def _packets(file: BinaryIO, size: int) -> Any:
    """Address and time, (N, 2), of each packet of pixels' events, and how often its clock ran over."""
    while header := file.read(_PACKET_HEADER):
        if len(header) < _PACKET_HEADER:
            raise UnfitFileError("it ends within the header of a packet")
        kind, _, each, _, over, count = struct.unpack("<HHIIII", header[:20])
        left = size - file.tell()
        if each * count > left:
            raise UnfitFileError(f"a packet promises {each * count} bytes where {left} are left")
        if kind != _POLARITY:
            file.seek(each * count, 1)
            continue
        if each != _AEDAT_EVENT:
            raise UnfitFileError(f"a packet has events of {each} bytes, not {_AEDAT_EVENT}")
        if over >= 1 << 31:
            raise UnfitFileError(f"the clock of a packet ran over {over} times")
        yield np.frombuffer(file.read(each * count), "<u4").reshape(-1, 2), over


def _events(
    time: NDArray[Any], column: NDArray[Any], row: NDArray[Any], on: NDArray[Any], height: int, width: int
) -> Events:
    """What was read, checked and in the order of time.

    Raises:
        UnfitFileError: if there is no event, or one outside the sensor.
    """
    if not len(time):
        raise UnfitFileError("it holds no events")
    outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    if outside.any():
        first = int(outside.argmax())
        place = f"column {column[first]}, row {row[first]}"
        raise UnfitFileError(f"an event at {place} is outside the sensor of {width}x{height} pixels")
    events = Events(
        torch.from_numpy(time.astype(np.int64, copy=False)),
        torch.from_numpy(column.astype(np.int16)),
        torch.from_numpy(row.astype(np.int16)),
        torch.from_numpy(1 - on.astype(np.int8)),
        height,
        width,
    )
    return events if bool((events.t[1:] >= events.t[:-1]).all()) else events.ordered()


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = getattr(error, "strerror", None) or error
    return DatasetError(f"the recording {path} cannot be read: {reason}; it may be truncated or damaged: get it again")
