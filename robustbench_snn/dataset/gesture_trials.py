"""The files of DVS128-Gesture: one recording a person and light, cut into gestures by a table beside it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import torch

from robustbench_snn.errors import DatasetError
from robustbench_snn.event.recorded import read_aedat3
from robustbench_snn.event.stream import Events
from robustbench_snn.reading import MALFORMED, read_text

GESTURES = 11
_MOST_TEXT = 1 << 20
_MOST_TIME = 1 << 62


@dataclass(frozen=True)
class Gesture:
    """One gesture of a recording.

    Attributes:
        file: name of the recording, ``user01_led.aedat``.
        row: of the table beside it, from 0.
        label: 0 to 10.
        start: first microsecond.
        end: the microsecond after the last.
    """

    file: str
    row: int
    label: int
    start: int
    end: int


def listed(folder: Path, name: str) -> list[str]:
    """The recordings that ``trials_to_train.txt`` or ``trials_to_test.txt`` names, sorted.

    Raises:
        DatasetError: if it cannot be read, or names one twice or outside the folder.
    """
    try:
        names = sorted(line.strip() for line in read_text(folder / name, _MOST_TEXT).splitlines() if line.strip())
    except MALFORMED as error:
        raise _unfit(folder / name, error) from None
    odd = [one for one in names if Path(one).name != one or not one.endswith(".aedat") or names.count(one) > 1]
    if odd:
        raise DatasetError(f"{folder / name} names {odd[0]!r}, which is twice there or no .aedat file beside it")
    return names


def gestures_of(folder: Path, file: str) -> list[Gesture]:
    """The gestures of a recording, as its ``_labels.csv`` has them.

    Raises:
        DatasetError: if the table cannot be read, or has other rows than a class of 1 to 11, a start and a later end.
    """
    table = folder / file.replace(".aedat", "_labels.csv")
    found: list[Gesture] = []
    try:
        for row, line in enumerate(read_text(table, _MOST_TEXT).strip().splitlines()[1:]):
            label, start, end = map(int, line.split(","))
            if not (1 <= label <= GESTURES and 0 <= start < end < _MOST_TIME):
                raise ValueError(f"row {row + 1} is {line!r}; it takes a class of 1 to {GESTURES}, start and end")
            found.append(Gesture(file, row, label - 1, start, end))
    except MALFORMED as error:
        raise _unfit(table, error) from None
    return found


@dataclass
class GestureReader:
    """Reads gestures; the recording read last is kept, since the next gesture is usually of the same.

    Attributes:
        folder: what the recordings are in.
    """

    folder: Path
    _last: tuple[str, Events] | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __call__(self, gesture: Gesture) -> Events:
        """The events of start <= t < end, as SpikingJelly cuts them.

        Raises:
            DatasetError: if the recording cannot be read, or has no event in that time.
        """
        with self._lock:
            if self._last is None or self._last[0] != gesture.file:
                self._last = None  # two at once would be twice the memory
                self._last = (gesture.file, read_aedat3(self.folder / gesture.file))
            whole = self._last[1]
        first, last = torch.searchsorted(whole.t, torch.tensor([gesture.start, gesture.end])).tolist()
        if first == last:
            raise DatasetError(
                f"the recording {self.folder / gesture.file} has no event from {gesture.start} to {gesture.end} us, "
                f"where row {gesture.row + 1} of its table has a gesture; it may be truncated: get it again"
            )
        return whole.kept(torch.arange(first, last))


def _unfit(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; get it again")
