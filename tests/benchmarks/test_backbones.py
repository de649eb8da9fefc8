"""Speed of forward and backward passes; run with ``pytest tests/benchmarks --benchmark-only``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import Task

SMALL = {"depth": 2, "width": 64, "heads": 4}


def step(name: str, parameters: dict[str, Any], batch: int, size: int, device: str) -> Callable[..., None]:
    """One training step's forward and backward pass on random images, T = 4."""
    torch.manual_seed(0)
    task = Task(3, size, size, 10, 4, (0.5,) * 3, (0.25,) * 3)
    classifier: Classifier = direct_classifier(name, parameters, task).to(device)
    images = torch.rand(batch, 3, size, size, device=device)
    labels = torch.arange(batch, device=device) % 10

    def run(model: Callable[..., torch.Tensor] = classifier, *, mixed: bool = False) -> None:
        with torch.autocast(device, dtype=torch.float16 if device == "cuda" else torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        classifier.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    run.classifier = classifier  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("spikformer", SMALL), ("spikingformer", SMALL), ("sdt", SMALL), ("qkformer", {**SMALL, "depth": 4}),
     ("tdformer", SMALL), ("spikformer_ann", SMALL)],
)  # fmt: skip
def test_training_step_on_cpu(benchmark: Any, name: str, parameters: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    benchmark.pedantic(step(name, parameters, 8, 16, "cpu"), rounds=5, warmup_rounds=2)
    benchmark.extra_info["images_per_second"] = 8 / benchmark.stats.stats.median


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["spikformer_4_384", "tdformer_v1"])
@pytest.mark.parametrize("mixed", [False, True], ids=["fp32", "mixed"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_training_step_on_gpu(benchmark: Any, name: str, mixed: bool, compiled: bool) -> None:
    """T = 4, batch 128, 32x32: the images a second that a training can reach."""
    run = step(name, {}, 128, 32, "cuda")
    model = torch.compile(run.classifier) if compiled else run.classifier  # type: ignore[attr-defined]
    benchmark.pedantic(lambda: run(model, mixed=mixed), rounds=20, warmup_rounds=5)
    benchmark.extra_info["images_per_second"] = 128 / benchmark.stats.stats.median
    benchmark.extra_info["device"] = torch.cuda.get_device_name()
