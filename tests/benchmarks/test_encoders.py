"""The image stands still: direct coding and STF-2 run the first convolution once, not T times.

Run with ``pytest tests/benchmarks --benchmark-only``; the last test counts the work of both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.registry import encoders

TIMESTEPS = 4


def build(name: str) -> tuple[Any, Tensor]:
    """An encoder of Spikformer-4-384 on CIFAR images, with its batch of images."""
    torch.manual_seed(0)
    task = Task(3, 32, 32, 10, TIMESTEPS, (0.5,) * 3, (0.25,) * 3)
    return encoders.create(name, Stem(task, 48)).eval(), torch.rand(32, 3, 32, 32)


def once(encoder: Any, images: Tensor) -> Tensor:
    """The first convolution and batch norm as the encoder computes them."""
    result: Tensor = encoder.drive(encoder.normalize(images)).expand(TIMESTEPS, len(images), -1, -1, -1)
    return result


def naive(encoder: Any, images: Tensor) -> Tensor:
    """The same for T copies of every image."""
    copies = encoder.normalize(images).expand(TIMESTEPS, *images.shape).flatten(0, 1)
    result: Tensor = encoder.drive(copies).unflatten(0, (TIMESTEPS, len(images)))
    return result


@pytest.mark.parametrize("name", ["direct", "stf"])
@pytest.mark.parametrize("way", [once, naive])
def test_stem(benchmark: BenchmarkFixture, name: str, way: Callable[[Any, Tensor], Tensor]) -> None:
    """Times of the first layer alone, once and T-fold."""
    encoder, images = build(name)
    with torch.no_grad():
        benchmark(way, encoder, images)


@pytest.mark.parametrize("name", ["direct", "stf", "stf1", "gac", "rate", "ttfs", "phase"])
def test_whole_encoder(benchmark: BenchmarkFixture, name: str) -> None:
    """Times of the whole encoder, spikes included."""
    encoder, images = build(name)

    def run() -> Tensor:
        reset(encoder)
        result: Tensor = encoder(images, TIMESTEPS)
        return result

    with torch.no_grad():
        benchmark(run)


@pytest.mark.parametrize("name", ["direct", "stf"])
def test_once_is_the_same_for_a_fraction_of_the_work(name: str) -> None:
    """The encoder shows its convolution every image once, and gets what T copies would have given."""
    encoder, images = build(name)
    shown = []
    encoder.drive.register_forward_hook(lambda module, inputs, output: shown.append(len(inputs[0])))
    with torch.no_grad():
        reset(encoder)
        encoder(images, TIMESTEPS)
        assert shown == [len(images)]
        torch.testing.assert_close(once(encoder, images), naive(encoder, images))
        assert shown == [len(images), len(images), TIMESTEPS * len(images)]
