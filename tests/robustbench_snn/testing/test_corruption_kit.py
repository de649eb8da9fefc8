"""Each broken corruption fails the check made for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robustbench_snn.plugins import SampleRandom, register_corruption
from robustbench_snn.testing import CorruptionConformance, check_corruption

Function = Callable[[Tensor, SampleRandom, float], Tensor]


def darker(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images * (1.0 - amount)


def noisy(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images + 255 * amount * random.normal(*images.shape[1:])


def smaller(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images[:, :, 1:]


def colour_only(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images * torch.tensor([1.0, 1.0 - amount, 1.0]).reshape(3, 1, 1)


def square_only(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return (1.0 - amount) * images + amount * images.transpose(2, 3)


def by_contrast(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    """Divides by a deviation that is zero on a flat image."""
    return images * (1.0 - amount) / images.std((1, 2, 3), keepdim=True) * images.std((1, 2, 3), keepdim=True)


def global_random(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images + 255 * amount * torch.randn_like(images)


def by_batch_mates(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images + amount * (images.mean(0, keepdim=True) - images)


def nothing(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images


def falling(images: Tensor, random: SampleRandom, amount: float) -> Tensor:
    return images * (0.4 + amount)


BROKEN: list[tuple[Function, bool, set[str]]] = [
    (smaller, False, {"shape and dtype"}),
    (colour_only, False, {"shape and dtype"}),
    (square_only, False, {"shape and dtype"}),
    (by_contrast, False, {"range"}),
    (global_random, True, {"kinds agree", "deterministic under a seed"}),
    (darker, True, {"stochastic trait"}),
    (noisy, False, {"stochastic trait"}),
    (by_batch_mates, False, {"independent of batch"}),
    (nothing, False, {"severity rises"}),
    (falling, False, {"severity rises"}),
]
ROWS = ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,))


def failed(function: Function, stochastic: bool) -> dict[str, str]:
    register_corruption("broken", version=1, group="noise", stochastic=stochastic, cifar=ROWS, imagenet=ROWS)(function)
    return {result.name: result.reason for result in check_corruption("broken") if not result.passed}


@pytest.mark.parametrize(("function", "stochastic", "checks"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_caught(function: Function, stochastic: bool, checks: set[str]) -> None:
    found = failed(function, stochastic)
    assert checks <= set(found)
    assert all(found.values())


@pytest.mark.parametrize(("function", "stochastic"), [(darker, False), (noisy, True)])
def test_sound_corruptions_pass(function: Function, stochastic: bool) -> None:
    assert not failed(function, stochastic)


def test_tables_may_be_declared_not_to_rise() -> None:
    failed(falling, False)
    assert all(result.passed for result in check_corruption("broken", rising=()))


def test_every_check_is_shown_to_fail() -> None:
    checks = {name[5:].replace("_", " ") for name in dir(CorruptionConformance) if name.startswith("test_")}
    assert checks == set().union(*(names for _, _, names in BROKEN))
