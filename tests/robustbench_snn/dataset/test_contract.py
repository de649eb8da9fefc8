"""What a dataset must be, whoever makes it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from robustbench_snn.dataset.contract import Dataset, build
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import DatasetError


def samples(count: int, *shape: int) -> ArraySamples:
    return ArraySamples(torch.zeros(count, *shape, dtype=torch.uint8), torch.arange(count) % 2)


def made(**changes: Any) -> Dataset:
    settings: dict[str, Any] = {"train": samples(8, 3, 4, 5), "test": samples(4, 3, 4, 5), "validation": 0.25}
    settings |= {"classes": 2, "statistics": ((0.5,) * 3, (0.2,) * 3), "fingerprint": "0" * 64}
    return build("made", **settings | changes)


def test_a_sound_one_is_built() -> None:
    data = made()
    assert (data.channels, data.height, data.width, data.std) == (3, 4, 5, (0.2, 0.2, 0.2))


@pytest.mark.parametrize(
    ("mean", "std", "reason"),
    [
        ((0.5,), (0.2,) * 3, "mean .* each of its 3 channels"),
        ((0.5,) * 3, (0.2,) * 4, "std .* each of its 3 channels"),
        ((0.5, 0.5, math.nan), (0.2,) * 3, "mean .* finite"),
        ((0.5,) * 3, (0.2, math.inf, 0.2), "std .* finite"),
        ((0.5,) * 3, (0.2, 0.0, 0.2), "std .* above 0"),
        ((0.5,) * 3, (0.2, -0.1, 0.2), "std .* above 0"),
        ((0.5,) * 3, (0.2, 0.00001, 0.2), "std .* above 0"),
    ],
)
def test_statistics_that_cannot_be_divided_by_are_refused(mean: Any, std: Any, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        made(statistics=(mean, std))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test": samples(4, 3, 5, 4)}, r"test samples of shape \(3, 5, 4\) beside others of \(3, 4, 5\)"),
        ({"test": samples(4, 1, 4, 5)}, r"test samples of shape \(1, 4, 5\)"),
        ({"validation": samples(2, 3, 8, 8)}, r"validation samples of shape \(3, 8, 8\)"),
    ],
)
def test_splits_of_other_shapes_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        made(**change)


def test_a_plugin_that_makes_it_by_hand_is_told_too() -> None:
    with pytest.raises(DatasetError, match="std"):
        replace(made(), std=(0.0, 0.1, 0.1))
