"""Each broken dataset fails the check made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
import torch
from torch import Tensor

from robustbench_snn.plugins import (
    ArraySamples,
    Dataset,
    Limit,
    build,
    channel_statistics,
    fingerprint,
    register_dataset,
)
from robustbench_snn.testing import DatasetConformance, check_dataset

Change = Callable[[Dataset], Dataset]
LOADS = count()


def sound(limit: int | None, train_limit: int | None) -> Dataset:
    labels = torch.arange(60) % 3
    pixels = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return build(
        "broken",
        train=ArraySamples(pixels[:40], labels[:40], torch.arange(40)),
        test=ArraySamples(pixels[40:], labels[40:], torch.arange(40, 60)),
        validation=0.2,
        classes=3,
        statistics=channel_statistics,
        fingerprint=fingerprint(labels, pixels),
        limit=limit,
        train_limit=train_limit,
    )


def changed_test(data: Dataset, **changed: Tensor) -> Dataset:
    """The dataset with other pixels, labels or ids in its test split."""
    old = data.test
    assert isinstance(old, ArraySamples)
    parts = {"pixels": old.pixels, "labels": old.labels, "ids": old.ids, **changed}
    return replace(data, test=ArraySamples(parts["pixels"], parts["labels"], parts["ids"]))


def pixels(data: Dataset) -> Tensor:
    assert isinstance(data.test, ArraySamples)
    return data.test.pixels


class Fickle(ArraySamples):
    """Fetches images in the order of the rows, whatever was asked for."""

    def images(self, positions: Tensor) -> Tensor:
        return super().images(positions.sort().values)


class Forgetful(ArraySamples):
    """Its subsets are the first so many."""

    def subset(self, positions: Tensor) -> ArraySamples:
        return super().subset(torch.arange(len(positions)))


def of_kind(kind: type[ArraySamples]) -> Change:
    return lambda data: replace(data, test=kind(pixels(data), data.test.labels, data.test.ids))


def one_image(data: Dataset) -> Dataset:
    return changed_test(data, pixels=pixels(data)[:1].expand(20, -1, -1, -1))


def by_loading(data: Dataset) -> Dataset:
    return changed_test(data, ids=data.test.ids + 100 * next(LOADS))


def last_first(data: Dataset) -> Dataset:
    """A limited set is ordered otherwise than the whole one."""
    return data if len(data.test) == 20 else replace(data, test=data.test.subset(torch.arange(len(data.test)).flip(0)))


BROKEN: dict[str, tuple[Change, set[str]]] = {
    "name": (lambda data: replace(data, name="other"), {"facts"}),
    "std": (lambda data: replace(data, std=(0.0,)), {"facts"}),
    "mean of another number of channels": (lambda data: replace(data, mean=(0.5, 0.5, 0.5)), {"facts"}),
    "class names": (lambda data: replace(data, class_names=("one", "two")), {"facts"}),
    "pixels up to 255": (lambda data: changed_test(data, pixels=255 * pixels(data)), {"images"}),
    "another size": (lambda data: replace(data, height=5), {"images"}),
    "one image again and again": (one_image, {"images"}),
    "order of fetching": (of_kind(Fickle), {"images"}),
    "labels from one": (lambda data: changed_test(data, labels=data.test.labels + 1), {"labels"}),
    "a class without samples": (lambda data: replace(data, classes=4), {"labels"}),
    "ids twice": (lambda data: changed_test(data, ids=data.test.ids // 2 + 100), {"ids"}),
    "ids of the training set": (lambda data: changed_test(data, ids=data.test.ids - 40), {"ids"}),
    "ids by the order of loading": (by_loading, {"loads the same again"}),
    "a new fingerprint": (lambda data: replace(data, fingerprint=f"{next(LOADS):064d}"), {"loads the same again"}),
    "no prefix": (last_first, {"limit"}),
    "statistics of the limited set": (lambda data: replace(data, mean=(0.1 + len(data.train) / 100,)), {"limit"}),
    "fingerprint of the limited set": (lambda data: replace(data, fingerprint=data.test.digest()), {"limit"}),
    "subsets": (of_kind(Forgetful), {"subsets"}),
}


def failed(change: Change) -> dict[str, str]:
    @register_dataset("broken", version=1)
    def broken(*, limit: Limit = None, train_limit: Limit = None) -> Dataset:
        """Changed in one way."""
        return change(sound(limit, train_limit))

    return {result.name: result.reason for result in check_dataset("broken") if not result.passed}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_caught(fault: str) -> None:
    change, checks = BROKEN[fault]
    found = failed(change)
    assert checks <= set(found)
    assert all(found.values())


def test_a_sound_dataset_passes() -> None:
    assert not failed(lambda data: data)


def test_every_check_is_shown_to_fail() -> None:
    checks = {name[5:].replace("_", " ") for name in dir(DatasetConformance) if name.startswith("test_")}
    assert checks == set().union(*(names for _, names in BROKEN.values()))
