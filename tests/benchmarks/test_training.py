"""How fast batches are made, and which share of a training that is (``pytest --benchmark-only``)."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.encoded import EncodedSamples, ImageFormat
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.training import Recipe, resolve_recipe, train
from robustbench_snn.training.batches import TrainingBatches

MEAN = (0.49, 0.48, 0.45)


@pytest.fixture(scope="module")
def photographs() -> ArraySamples:
    pixels = torch.randint(0, 256, (2048, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return ArraySamples(pixels, torch.arange(2048) % 10)


RECIPES = {
    "plain": Recipe(),
    "flip and crop": Recipe(horizontal_flip=0.5, crop_padding=4),
    "spikformer_cifar": resolve_recipe("spikformer_cifar"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_batches(benchmark: Any, photographs: ArraySamples, name: str) -> None:
    batches = TrainingBatches(photographs, RECIPES[name], classes=10, mean=MEAN, seed=0, epoch=0)
    benchmark(lambda: [batches[index] for index in range(4)])
    benchmark.extra_info["images_per_second"] = 4 * batches.size / benchmark.stats["mean"]


def test_decoding_jpegs(benchmark: Any) -> None:
    random, sources = np.random.default_rng(0), []
    for _ in range(512):
        stream = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "JPEG")
        sources.append(stream.getvalue())
    rows = torch.arange(512)

    def decode() -> torch.Tensor:
        return EncodedSamples(sources, rows % 10, rows, ImageFormat(3, 32, 32), str).images(rows)

    assert benchmark(decode).shape == (512, 3, 32, 32)
    benchmark.extra_info["images_per_second"] = 512 / benchmark.stats["mean"]


def test_an_epoch_of_digits(benchmark: Any) -> None:
    data = load_dataset("digits", train_limit=256)
    backbone = backbones.create("spikformer", data.task(4), depth=1, width=128, heads=4, pooling="0100")
    model = Classifier(encoders.create("direct", backbone.stem), backbone, 4)
    recipe = resolve_recipe({"name": "digits_quick", "epochs": 1, "warmup_epochs": 0})
    torch.set_num_threads(1)  # as fast on these sizes, and steady beside other work
    result = benchmark.pedantic(lambda: train(model, data, recipe, seed=0), rounds=2, warmup_rounds=1)
    benchmark.extra_info["images_per_second"] = result.images_per_second
    started = time.perf_counter()
    list(TrainingBatches(data.train, recipe, classes=10, mean=data.mean, seed=0, epoch=0))
    benchmark.extra_info["share_of_making_batches"] = (time.perf_counter() - started) / result.seconds
