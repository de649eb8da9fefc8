"""Every variant of TDFormer, and every backbone, learns digits a little."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import Task

SMALL: dict[str, Any] = {"depth": 1, "width": 32, "heads": 2}


def loss_of(classifier: Classifier, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    segments = classifier.segment_logits(classifier.step_logits(images))
    weights = classifier.backbone.segment_weights()
    losses = [w * F.cross_entropy(logits, labels) for w, logits in zip(weights, segments, strict=True)]
    return torch.stack(losses).sum()


def train(name: str, parameters: dict[str, Any], steps: int, timesteps: int = 2) -> tuple[float, float, Classifier]:
    """Mean loss of the first and last five of so many steps on 64 digits."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images[:64], dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target[:64])
    classifier = direct_classifier(name, parameters, Task(1, 8, 8, 10, timesteps, (0.31,), (0.38,)))
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-2)
    losses = []
    for step in range(steps):
        batch = slice(32 * (step % 2), 32 * (step % 2) + 32)
        loss = loss_of(classifier, images[batch], labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[:5]) / 5, sum(losses[-5:]) / 5, classifier


@pytest.mark.parametrize("control", ["cm1", "cm2", "cm3"])
@pytest.mark.parametrize("processing", ["v1", "v2", "v3", "v4"])
def test_all_variants_of_tdformer_learn(control: str, processing: str) -> None:
    start, end, classifier = train("tdformer", {**SMALL, "control": control, "processing": processing}, 50)
    assert end < 0.6 * start
    for name, parameter in classifier.backbone.named_parameters():
        if "control" in name or "processing" in name:
            assert parameter.grad is not None, name
    feedback: Any = classifier.backbone.control
    assert any(float(weight.grad.abs().sum()) > 0 for weight in feedback.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("spikformer", SMALL),
        ("spikingformer", SMALL),
        ("sdt", SMALL),
        ("qkformer", {**SMALL, "depth": 3}),
        ("tdformer", {**SMALL, "base": "sdt", "literal": True}),
        ("tdformer", {**SMALL, "base": "qkformer", "depth": 3}),
        ("spikformer_ann", SMALL),
    ],
)
def test_every_backbone_learns(name: str, parameters: dict[str, Any]) -> None:
    start, end, classifier = train(name, parameters, 40)
    assert end < 0.85 * start
    frozen = [path for path, parameter in classifier.named_parameters() if parameter.grad is None]
    assert not frozen


@pytest.mark.parametrize("name", ["sew_resnet18", "spiking_vgg11"])
def test_zoo_networks_take_a_step(name: str) -> None:
    _, _, classifier = train(name, {}, 1, timesteps=1)
    assert all(parameter.grad is not None for parameter in classifier.parameters())
