"""One pass at the largest T serves every smaller T: against a run of its own for each T.

Run with ``pytest tests/benchmarks --benchmark-only``; the last test counts the work of both ways.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.timesteps.sweep import Sweep, Way

STEPS = tuple(range(1, 9))
WAYS: tuple[Way, ...] = ("one pass", "separate runs")


def build(encoder: str) -> tuple[Target, Tensor]:
    torch.manual_seed(0)
    task = Task(3, 16, 16, 10, 4, (0.5,) * 3, (0.25,) * 3)
    body = backbones.create("spikformer", task, depth=1, width=128, heads=4)
    images = torch.rand(8, 3, 16, 16)
    model = Classifier(encoders.create(encoder, body.stem), body, task.timesteps)
    return Target(calibrate(model, lambda m: m(images))), images


def sweep(way: Way, target: Target, images: Tensor) -> Tensor:
    with torch.no_grad():
        return Sweep(STEPS, way, "").logits(target, images)


@pytest.mark.parametrize("encoder", ["direct", "stf"])
@pytest.mark.parametrize("way", WAYS)
def test_sweep(benchmark: BenchmarkFixture, encoder: str, way: Way) -> None:
    benchmark(sweep, way, *build(encoder))


def test_one_pass_does_eight_steps_instead_of_thirty_six() -> None:
    """1 + 2 + ... + 8 steps of the backbone become 8."""
    target, images = build("direct")
    steps: dict[Way, list[int]] = {way: [] for way in WAYS}
    for way in WAYS:
        count = steps[way].append
        backbone: Any = target.model.backbone
        hook = backbone.register_forward_pre_hook(lambda _, inputs, count=count: count(len(inputs[0])))
        sweep(way, target, images)
        hook.remove()
    assert steps == {"one pass": [8], "separate runs": list(STEPS)}
