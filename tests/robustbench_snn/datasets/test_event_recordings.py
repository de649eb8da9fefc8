"""The datasets of recorded events: splits, ids, sizes, what they say of themselves, what they refuse."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.datasets.utils import _split_class_indices, load_aedat_v3, load_ATIS_bin
from torchvision.datasets import DatasetFolder

from robustbench_snn.dataset import Dataset, load_dataset
from robustbench_snn.dataset.named_splits import split_digest
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.datasets.cifar10_dvs import Split, for_testing
from robustbench_snn.errors import DatasetError, UserError
from robustbench_snn.event.stream import frames_of
from tests.event_files import (
    CIFAR_CLASSES,
    packet,
    write_aedat3,
    write_atis,
    write_cifar10_dvs,
    write_gestures,
    write_n_caltech101,
    write_n_mnist,
)

WRITERS: dict[str, Callable[[Path], None]] = {
    "cifar10_dvs": write_cifar10_dvs,
    "dvs128_gesture": write_gestures,
    "n_caltech101": write_n_caltech101,
    "n_mnist": write_n_mnist,
}
SPLITS: dict[Split, str] = {
    "first-900": "f2f2ce2770b3e09a158a3232d4faf719201667be9cde7d4c99a9aa50d0ead208",
    "first-900-by-name": "eba81d7d4e1b79f055e362c74c357394afa4934c90331fcd886a5bcfc7f6396e",
    "last-900": "b4c954282feba514fc2e3135a780d26c35f546bdea24d5480989148d19dbd535",
    "random-9:1": "2ba96a931cf629f8447b2b99aae9e5ede035dd2f6240cbea0fba6f42e49d376b",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBSNN_CACHE", str(tmp_path / "cache"))


def load(name: str, root: Path, **parameters: Any) -> Dataset:
    return load_dataset(name, root=str(root), **{"validation": 0.0, "frames": 4, **parameters})


def all_frames(name: str, root: Path) -> list[torch.Tensor]:
    data = load(name, root)
    return [samples.images(torch.arange(len(samples))) for samples in (data.train, data.test)]


def row_of(samples: Samples, number: int) -> int:
    return int((samples.ids == number).nonzero())


@pytest.mark.parametrize("split", SPLITS)
def test_cifar10_dvs_has_900_and_100_of_each_class_in_splits_that_are_pinned(split: Split) -> None:
    test = for_testing(split)
    assert test.reshape(10, 1000).sum(1).tolist() == [100] * 10
    assert split_digest(torch.arange(10_000), test) == SPLITS[split]


def test_a_splits_hash_is_that_of_the_sorted_ids_as_text() -> None:
    ids = range(10_000)
    sides = [[number for number in ids if (number % 1000 >= 900) == testing] for testing in (False, True)]
    text = "".join(f"{len(side)}:{','.join(str(number) for number in side)};" for side in sides)
    assert hashlib.sha256(text.encode()).hexdigest() == SPLITS["first-900"]


def test_first_900_by_name_is_what_papers_make_with_torchvision_and_spikingjelly(tmp_path: Path) -> None:
    (tmp_path / "airplane").mkdir()
    for number in range(1000):
        (tmp_path / "airplane" / f"cifar10_airplane_{number}.npz").touch()
    files = DatasetFolder(str(tmp_path), loader=np.load, extensions=(".npz",)).samples
    _, rows = _split_class_indices([list(range(1000))], 0.9, False)
    theirs = {int(Path(files[row][0]).stem.rsplit("_", 1)[1]) for row in rows}
    assert theirs == {*for_testing("first-900-by-name")[:1000].nonzero().squeeze(1).tolist()}
    assert theirs != {*range(900, 1000)}


def test_a_recording_of_cifar10_dvs_keeps_its_side_where_others_are_missing(tmp_path: Path) -> None:
    write_cifar10_dvs(tmp_path, numbers=(3, 899, 900, 950))
    data = load("cifar10_dvs", tmp_path)
    assert sorted(data.train.ids.tolist()) == [1000 * label + number for label in range(10) for number in (3, 899)]
    assert sorted(data.test.ids.tolist()) == [1000 * label + number for label in range(10) for number in (900, 950)]
    assert torch.equal(data.test.labels, data.test.ids // 1000)
    assert data.class_names == CIFAR_CLASSES
    assert "split first-900 (" in data.source
    assert "20 + 20 recordings (published: 10000)" in data.source


@pytest.mark.parametrize("name", WRITERS)
def test_frames_are_those_of_the_events_and_a_second_load_reads_them_from_the_cache(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    data = load(name, tmp_path / "data", by="time")
    rows = torch.arange(len(data.test))
    made = data.test.images(rows)
    for row in rows.tolist():
        assert torch.equal(made[row], frames_of(data.test.events(row), 4, "time"))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    monkeypatch.setattr("robustbench_snn.dataset.recorded.frames_of", None)
    again = load(name, tmp_path / "data", by="time")
    assert torch.equal(again.test.images(rows), made)
    assert again.fingerprint == data.fingerprint


@pytest.mark.parametrize("name", WRITERS)
def test_the_order_of_a_folder_does_not_matter_but_a_byte_of_it_does(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "data")
    first = load(name, tmp_path / "data")
    for path in sorted((tmp_path / "data").rglob("*"), reverse=True):
        if path.is_file():
            copy = tmp_path / "other" / path.relative_to(tmp_path / "data")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    second = load(name, tmp_path / "other")
    assert (first.fingerprint, first.train.digest(), first.test.digest()) == (
        second.fingerprint,
        second.train.digest(),
        second.test.digest(),
    )
    assert not {*first.train.ids.tolist()} & {*first.test.ids.tolist()}
    changed = next(path for path in (tmp_path / "other").rglob("*") if path.suffix in (".bin", ".aedat"))
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert load(name, tmp_path / "other").fingerprint != first.fingerprint


def test_all_that_frames_depend_on_is_in_the_fingerprint(tmp_path: Path) -> None:
    write_cifar10_dvs(tmp_path, numbers=(0, 99, 950))
    variants: list[dict[str, Any]] = [{}, {"by": "time"}, {"frames": 5}, {"size": 64}, {"split": "first-900-by-name"}]
    found = [load("cifar10_dvs", tmp_path, **variant) for variant in variants]
    assert len({data.fingerprint for data in found}) == len(variants)
    assert found[0].binning == "4 frames of equal count, sensor of 128x128"


def test_n_mnists_split_is_that_of_its_folders(tmp_path: Path) -> None:
    write_n_mnist(tmp_path)
    data = load("n_mnist", tmp_path)
    assert (len(data.train), len(data.test), data.height, data.width) == (30, 20, 34, 34)
    assert sorted(data.test.ids.tolist()) == list(range(1, 21))
    row = row_of(data.test, 14)
    assert int(data.test.labels[row]) == 3
    expected = load_ATIS_bin(tmp_path / "Test/3/00014.bin")
    assert data.test.events(row).t.tolist() == expected["t"].tolist()
    assert data.test.events(row).p.tolist() == (1 - expected["p"].astype(int)).tolist()


def test_n_caltech101_is_placed_in_one_sensor_and_summed_to_a_size(tmp_path: Path) -> None:
    write_n_caltech101(tmp_path)
    large = load("n_caltech101", tmp_path, by="time")
    small = load("n_caltech101", tmp_path, by="time", size=64)
    assert (large.height, large.width, small.height, small.width) == (180, 240, 64, 64)
    assert (large.classes, len(large.train), len(large.test)) == (3, 54, 6)
    rows = torch.arange(6)
    frames, sums = large.test.images(rows), small.test.images(rows)
    blocks = frames.unflatten(-1, (60, 4)).unflatten(-3, (45, 4)).sum((-3, -1))
    assert torch.equal(sums[..., :45, :60], blocks)
    assert not bool(sums[..., 45:, :].any())
    assert not bool(sums[..., 60:].any())
    assert torch.equal(frames_of(small.test.events(2), 4, "time"), sums[2])
    assert small.binning == ("4 frames of equal time, sensor of 180x240, sums over 4x4 pixels, zeros up to 64x64")
    without = load("n_caltech101", tmp_path, background=False)
    assert without.class_names == ("ant", "bee")
    assert len(without.train) + len(without.test) == 40


@pytest.mark.parametrize(("size", "factor"), [(48, 3), (64, 2), (128, 1), (160, 1)])
def test_sums_over_squares_keep_every_event(size: int, factor: int, tmp_path: Path) -> None:
    write_cifar10_dvs(tmp_path, numbers=(0, 900))
    data, whole = load("cifar10_dvs", tmp_path, size=size), load("cifar10_dvs", tmp_path)
    row = torch.tensor([0])
    frames = data.test.images(row)
    assert frames.shape == (1, 4, 2, size, size)
    expected = torch.zeros_like(frames)
    for _, frame, polarity, y, x in whole.test.images(row).nonzero().tolist():
        expected[0, frame, polarity, y // factor, x // factor] += whole.test.images(row)[0, frame, polarity, y, x]
    assert torch.equal(frames, expected)


def test_counts_of_more_than_a_byte_stay_at_255(tmp_path: Path) -> None:
    write_n_mnist(tmp_path, train=1, test=1)
    write_atis(tmp_path / "Test/0/00001.bin", [(time, 2, 3, 1) for time in range(1000)])
    data = load("n_mnist", tmp_path, frames=2)
    frames = data.test.images(torch.tensor([row_of(data.test, 1)]))
    assert frames.nonzero().tolist() == [[0, 0, 0, 3, 2], [0, 1, 0, 3, 2]]
    assert frames.max() == frames.sum() / 2 == 255


def test_gestures_are_cut_as_spikingjelly_cuts_them_by_the_authors_split(tmp_path: Path) -> None:
    write_gestures(tmp_path / "DvsGesture")
    data = load("dvs128_gesture", tmp_path)
    assert (len(data.train), len(data.test), data.classes) == (24, 12, 11)
    assert data.test.labels.bincount().tolist() == [1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    events = load_aedat_v3(tmp_path / "DvsGesture/user24_led.aedat")
    row = int((data.test.labels == 4).nonzero())
    inside = (events["t"] >= 40_000) & (events["t"] < 46_000)
    found = data.test.events(row)
    assert found.t.tolist() == events["t"][inside].tolist()
    assert (int(found.t[0]), int(found.t[-1])) == (40_000, 45_999)
    assert found.x.tolist() == events["x"][inside].tolist()
    assert "12 recordings (published: 1176 + 288)" in data.source


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def outside(path: Path) -> None:
    write_atis(path, [(1, 35, 2, 0)])


def early(path: Path) -> None:
    write_aedat3(path, packet([(1, 1, 1, 1)]))


def edit(old: str, new: str) -> Callable[[Path], None]:
    def edited(path: Path) -> None:
        path.write_text(path.read_text().replace(old, new, 1))

    return edited


def rename(name: str) -> Callable[[Path], None]:
    def moved(path: Path) -> None:
        path.rename(path.with_name(name))

    return moved


DAMAGED: dict[str, tuple[str, str, Callable[[Path], None], str]] = {
    "truncated cifar": ("cifar10_dvs", "bird/cifar10_bird_1.aedat", shorten, "cifar10_bird_1.aedat cannot be read"),
    "pipe": ("cifar10_dvs", "bird/cifar10_bird_1.aedat", pipe, "cifar10_bird_1.aedat cannot be read: it is a pipe"),
    "other name": ("cifar10_dvs", "dog/cifar10_dog_1.aedat", rename("cifar10_dog_01.aedat"), "not named as CIFAR10"),
    "truncated mnist": ("n_mnist", "Test/3/00004.bin", shorten, "00004.bin cannot be read: its 297 bytes"),
    "outside": ("n_mnist", "Test/3/00004.bin", outside, "column 35, row 2 is outside the sensor of 34x34"),
    "mnist name": ("n_mnist", "Test/3/00004.bin", rename("4.bin"), "by a number of five digits"),
    "truncated gesture": ("dvs128_gesture", "user01_led.aedat", shorten, "user01_led.aedat cannot be read"),
    "gesture without events": ("dvs128_gesture", "user24_led.aedat", early, "no event from"),
    "missing recording": ("dvs128_gesture", "user02_led.aedat", Path.unlink, "user02_led.aedat cannot be read"),
    "missing table": ("dvs128_gesture", "user02_led_labels.csv", Path.unlink, "user02_led_labels.csv cannot be read"),
    "class": ("dvs128_gesture", "user02_led_labels.csv", edit("11,", "12,"), "a class of 1 to 11"),
    "time": ("dvs128_gesture", "user02_led_labels.csv", edit("1,0,", f"1,0,{10**30}"), "start and end"),
    "no table": ("dvs128_gesture", "user02_led_labels.csv", edit("11,", "x,"), "cannot be read"),
    "person on both sides": ("dvs128_gesture", "trials_to_test.txt", edit("user24", "user01"), "is in trials_to_train"),
    "elsewhere": ("dvs128_gesture", "trials_to_test.txt", edit("user24", "../user24"), "no .aedat file beside it"),
    "twice": ("dvs128_gesture", "trials_to_train.txt", edit("user02", "user01"), "is twice there"),
    "truncated caltech": ("n_caltech101", "Caltech101/ant/image_0001.bin", shorten, "image_0001.bin cannot be read"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_is_named(case: str, tmp_path: Path) -> None:
    name, file, damage, reason = DAMAGED[case]
    WRITERS[name](tmp_path)
    damage(tmp_path / file)
    with pytest.raises(DatasetError) as raised:
        all_frames(name, tmp_path)
    assert reason in str(raised.value)


@pytest.mark.parametrize("name", WRITERS)
def test_another_folder_is_told_with_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"dataset '{name}' was not found.*RBSNN_{name.upper()}_ROOT"):
        load(name, tmp_path)
    for folder in ("Train", "Test", "Caltech101"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DatasetError, match=r"holds no|was not found"):
        load(name, tmp_path)
