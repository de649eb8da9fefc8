"""The image stands still: direct coding and STF-2 run the first convolution once, not T times.

Run with ``pytest tests/benchmarks --benchmark-only``; the test below compares both ways in one process.
"""

from __future__ import annotations

import time

import pytest
import torch

from robustbench_snn.encoding import Stem
from robustbench_snn.neurons import reset
from robustbench_snn.registry import encoders
from robustbench_snn.task import Task

TIMESTEPS = 4


def build(name):
    """An encoder of Spikformer-4-384 on CIFAR images, with its batch of images."""
    torch.manual_seed(0)
    task = Task(3, 32, 32, 10, TIMESTEPS, (0.5,) * 3, (0.25,) * 3)
    return encoders.create(name, Stem(task, 48)).eval(), torch.rand(32, 3, 32, 32)


def once(encoder, images):
    """The first convolution and batch norm as the encoder computes them."""
    return encoder.drive(encoder.normalize(images)).expand(TIMESTEPS, len(images), -1, -1, -1)


def naive(encoder, images):
    """The same for T copies of every image."""
    copies = encoder.normalize(images).expand(TIMESTEPS, *images.shape).flatten(0, 1)
    return encoder.drive(copies).unflatten(0, (TIMESTEPS, len(images)))


def seconds(function, *arguments, rounds=15):
    """The fastest of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("name", ["direct", "stf"])
@pytest.mark.parametrize("way", [once, naive])
def test_stem(benchmark, name, way):
    """Times of the first layer alone, once and T-fold."""
    encoder, images = build(name)
    with torch.no_grad():
        benchmark(way, encoder, images)


@pytest.mark.parametrize("name", ["direct", "stf", "stf1", "gac", "rate", "ttfs", "phase"])
def test_whole_encoder(benchmark, name):
    """Times of the whole encoder, spikes included."""
    encoder, images = build(name)

    def run():
        reset(encoder)
        return encoder(images, TIMESTEPS)

    with torch.no_grad():
        benchmark(run)


@pytest.mark.parametrize("name", ["direct", "stf"])
def test_once_is_the_same_and_faster(name):
    """T-fold work for the same numbers: the ratio tends to T, well above 1.5 even on a busy machine."""
    encoder, images = build(name)
    with torch.no_grad():
        torch.testing.assert_close(once(encoder, images), naive(encoder, images))
        ratio = seconds(naive, encoder, images) / seconds(once, encoder, images)
    assert ratio > 1.5, f"the T-fold stem takes only {ratio:.2f} times as long"
