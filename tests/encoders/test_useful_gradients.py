"""The declared backward passes serve an attack: FGSM on a trained model beats noise of the same size.

A small conv-LIF classifier is trained on scikit-learn's digits for each coding, then attacked with one signed step
along the gradient that the coding declares, and with random signs of the same size.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.task import Task
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders

TIMESTEPS = 6
TASK = Task(1, 8, 8, 10, TIMESTEPS, (0.305,), (0.376,))


class ConvLIF(Backbone):
    """Pool, conv-LIF, linear."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, Stem(task, 16))
        self.conv = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24))
        self.neuron = self.stem.spiking()
        self.head = nn.Linear(24 * 16, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        drive = self.conv(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
        logits: Tensor = self.head(self.neuron(drive).flatten(2))
        return logits


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    images = torch.tensor(bunch.images / 16.0, dtype=torch.float32)[:, None]
    labels = torch.tensor(bunch.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order]


def trained(name: str, digits: tuple[Tensor, Tensor], epochs: int = 6, **parameters: Any) -> Classifier:
    images, labels = digits[0][:1200], digits[1][:1200]
    torch.manual_seed(0)
    backbone = ConvLIF(TASK)
    model = Classifier(encoders.create(name, backbone.stem, **parameters), backbone, TIMESTEPS)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    return model.eval()


def accuracy(model: Classifier, images: Tensor, labels: Tensor, draws: int) -> float:
    """Mean over draws of a stochastic encoder."""
    with torch.no_grad():
        right = [(model(images, random=streams(images, i)).argmax(1) == labels).float().mean() for i in range(draws)]
    return float(torch.stack(right).mean())


def streams(images: Tensor, draw: int | str) -> SampleRandom:
    return SampleRandom.for_samples("test", draw, sample_ids=range(len(images)))


def attacked(model: Classifier, images: Tensor, labels: Tensor, epsilon: float, draws: int) -> list[float]:
    """Accuracies: clean, under FGSM along the mean gradient over draws, under random signs."""
    x = images.clone().requires_grad_()
    losses = [F.cross_entropy(model(x, random=streams(x, 100 + i)), labels) for i in range(draws)]
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), x)
    noise = streams(images, "noise").signs(*images.shape[1:])
    return [
        accuracy(model, (images + epsilon * step).clamp(0, 1), labels, draws)
        for step in (torch.zeros_like(images), gradient.sign(), noise)
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "epsilon", "clean_at_least"),
    [
        ("direct", {}, 0.15, 0.93),
        ("rate", {}, 0.15, 0.85),
        ("signed_rate", {}, 0.15, 0.80),
        ("ttfs", {}, 0.15, 0.85),
        ("ttfs", {"backward": "straight-through"}, 0.15, 0.85),
        ("ttfs_log", {}, 0.15, 0.80),
        ("phase", {}, 0.15, 0.85),
        ("phase", {"backward": "straight-through"}, 0.15, 0.85),
        ("burst", {}, 0.15, 0.85),
        ("burst", {"backward": "straight-through"}, 0.15, 0.85),
        ("sigma_delta", {}, 0.15, 0.85),
        ("sigma_delta", {"backward": "straight-through"}, 0.15, 0.85),
    ],
    ids=str,
)
def test_fgsm_beats_noise_of_the_same_size(
    digits: tuple[Tensor, Tensor], name: str, parameters: dict[str, Any], epsilon: float, clean_at_least: float
) -> None:
    model = trained(name, digits, **parameters)
    draws = 8 if model.stochastic else 1
    clean, fgsm, noise = attacked(model, digits[0][1200:], digits[1][1200:], epsilon, draws)
    report = f"clean {clean:.3f}, FGSM {fgsm:.3f}, noise {noise:.3f}"
    assert clean >= clean_at_least, report
    assert fgsm <= noise - 0.1, report


@pytest.mark.parametrize("name", ["rate", "ttfs", "phase", "burst", "sigma_delta"])
def test_without_a_backward_the_attack_stands_still(name: str, digits: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    backbone = ConvLIF(TASK)
    model = Classifier(encoders.create(name, backbone.stem, backward="none"), backbone, TIMESTEPS)
    x = digits[0][:8].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x, random=streams(x, 0)).sum(), x, allow_unused=True)
    assert gradient is None or not gradient.any()
