"""Backbones on event frames of the sizes of N-MNIST, N-Caltech101 scaled down, and DVS cameras."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.testing.models import make_task, sample_images

NAMES = ["spikformer", "tdformer_v1", "qkformer", "sdt", "spikingformer"]
TINY: dict[str, Any] = {"depth": 1, "width": 64, "heads": 2}


@pytest.mark.parametrize("side", [34, 64, 128])
@pytest.mark.parametrize("name", NAMES)
def test_a_forward_and_a_backward_pass(name: str, side: int) -> None:
    task = make_task(height=side, width=side, timesteps=2, frames=3, classes=5)
    torch.manual_seed(0)
    backbone = backbones.create(name, task, **(TINY if name != "qkformer" else {"depth": 4, "width": 64, "heads": 2}))
    model = Classifier(encoders.create("events", backbone.stem), backbone, task.timesteps).train()
    frames = sample_images(task, 2).requires_grad_()
    logits = model(frames)
    assert logits.shape == (2, 5)
    assert bool(logits.isfinite().all())
    (gradient,) = torch.autograd.grad(logits.square().sum(), frames)
    assert bool(gradient[:, :2].isfinite().all())
    assert not bool(gradient[:, 2].any())  # a run of two steps does not see the third frame
