"""Writers of event cameras' files, from the formats' descriptions; no reader's code is in them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random

Event = tuple[int, int, int, int]
"""Microseconds, column, row, and 1 for ON or 0 for OFF."""

AEDAT2_HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# created by a test\r\n"
AEDAT3_HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def recording(seed: object, count: int = 60, width: int = 128, height: int = 128, first: int = 0) -> list[Event]:
    """Random events, one every 100 us or so."""
    random = Random(str(seed))
    times = sorted(first + random.randrange(count * 100) for _ in range(count))
    return [(time, random.randrange(width), random.randrange(height), random.randrange(2)) for time in times]


def write_atis(path: Path, events: Sequence[Event]) -> None:
    """Five bytes an event: x, y, then a bit of polarity (1 is ON) and 23 bits of time, the highest first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [bytes([x, y, on << 7 | time >> 16, time >> 8 & 255, time & 255]) for time, x, y, on in events]
    path.write_bytes(b"".join(rows))


def write_aedat2(path: Path, events: Sequence[Event]) -> None:
    """Address and time of 32 bits, the highest first. In the address of a DVS128 bit 0 is the polarity (0 is ON), bits
    1 to 7 and 8 to 14 are the sensor's two coordinates: of CIFAR10-DVS, as it is usually read, rows from below and
    columns from the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [struct.pack(">II", 127 - x << 8 | 127 - y << 1 | 1 - on, time) for time, x, y, on in events]
    path.write_bytes(AEDAT2_HEADER + b"".join(rows))


def packet(events: Sequence[Event], overflow: int = 0, kind: int = 1) -> bytes:
    """A packet of AEDAT 3.1, the lowest byte first: type, source, size of an event, offset of its time, how often the
    clock ran over, capacity, number, valid. Then address and time of each event; in the address x from bit 17, y from
    bit 2, the polarity in bit 1 (1 is ON), and in bit 0 that it is valid."""
    header = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflow, *[len(events)] * 3)
    return header + b"".join(struct.pack("<II", x << 17 | y << 2 | on << 1 | 1, time) for time, x, y, on in events)


def write_aedat3(path: Path, *packets: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(AEDAT3_HEADER + b"".join(packets))


def write_cifar10_dvs(root: Path, numbers: Sequence[int] = (0, 1, 2, 50, 800, 900, 901)) -> None:
    for name in CIFAR_CLASSES:
        for number in numbers:
            file = f"cifar10_{name}_{number}.aedat"
            write_aedat2(root / name / file, recording(file))


def write_n_mnist(root: Path, train: int = 3, test: int = 2) -> None:
    for part, each in (("Train", train), ("Test", test)):
        for number in range(10 * each):
            file = root / part / str(number % 10) / f"{number + 1:05d}.bin"
            write_atis(file, recording(f"{part} {number}", width=34, height=34))


def write_n_caltech101(root: Path, names: Sequence[str] = ("BACKGROUND_Google", "ant", "bee"), each: int = 20) -> None:
    for name in names:
        for number in range(1, each + 1):
            file = root / "Caltech101" / name / f"image_{number:04d}.bin"
            write_atis(file, recording(f"{name} {number}", width=100 + 7 * number, height=90 + 4 * number))


def write_gestures(root: Path, people: Sequence[int] = (1, 2, 24)) -> None:
    """One recording a person, people from 24 on for testing, of all 11 gestures in turn, the eighth twice.

    There is an event at the first and at the last microsecond of each, and one just before and one just after.
    """
    for name, chosen in (
        ("train", [person for person in people if person < 24]),
        ("test", [person for person in people if person >= 24]),
    ):
        files = [f"user{person:02d}_led.aedat\n" for person in chosen]
        root.mkdir(parents=True, exist_ok=True)
        (root / f"trials_to_{name}.txt").write_text("".join(files))
    for person in people:
        table, packets = ["class,startTime_usec,endTime_usec"], []
        for turn, label in enumerate((*range(1, 9), 8, 9, 10, 11)):
            start = 10_000 * turn
            before = [(start - 1, 7, 7, 1)] if turn else []
            inside = [event for event in recording(f"{person} {turn}", first=start) if event[0] < start + 5_999]
            last = [(start + 5_999, 3, 4, 0), (start + 6_000, 5, 6, 1)]
            packets.append(packet([*before, (start, 1, 2, 1), *inside, *last]))
            table.append(f"{label},{start},{start + 6_000}")
        write_aedat3(root / f"user{person:02d}_led.aedat", *packets)
        (root / f"user{person:02d}_led_labels.csv").write_text("\n".join(table) + "\n")
