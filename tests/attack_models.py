"""Small models and data that the tests of the adversarial suite share."""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.model.neurons import reset


class ConvLIF(nn.Module):
    """Two convolutions with LIF neurons and a linear readout, T = 4, in step mode m or s; does not reset itself."""

    def __init__(
        self,
        mode: str = "m",
        width: int = 8,
        kind: type[nn.Module] = neuron.LIFNode,
        shape: tuple[int, int] = (1, 8),  # channels, side
    ) -> None:
        super().__init__()
        self.mode, self.steps = mode, 4
        channels, side = shape
        self.first = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width))
        self.spike1, self.spike2 = (
            kind(surrogate_function=surrogate.Sigmoid(alpha=4.0), detach_reset=True, step_mode=mode) for _ in range(2)
        )
        self.read = nn.Linear(2 * width * (side // 2) ** 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        if self.mode == "s":
            return torch.stack([self._step(images) for _ in range(self.steps)]).mean(0)
        drive = self.first(images).expand(self.steps, -1, -1, -1, -1).contiguous()
        spikes = self.spike1(drive)
        spikes = self.spike2(self.second(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2]))
        logits: Tensor = self.read(spikes.flatten(2)).mean(0)
        return logits

    def _step(self, images: Tensor) -> Tensor:
        result: Tensor = self.read(self.spike2(self.second(self.spike1(self.first(images)))).flatten(1))
        return result


class Linear(nn.Module):
    """Logits W x + b: every question about it has a closed answer."""

    def __init__(self, pixels: int = 16, classes: int = 3, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(classes, pixels, generator=generator))
        self.bias = nn.Parameter(torch.randn(classes, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


class Noisy(nn.Module):
    """A model under additive noise, drawn from torch's generator."""

    def __init__(self, model: nn.Module, scale: float) -> None:
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images + self.scale * torch.randn_like(images))
        return logits


@cache
def digits() -> tuple[Tensor, Tensor]:
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    return torch.tensor(data.images / 16.0, dtype=torch.float32)[:, None][order], torch.tensor(data.target)[order]


def fit(model: nn.Module, images: Tensor, labels: Tensor, epochs: int = 5) -> None:
    """Trains normally: Adam, batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(64):
            reset(model)
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@cache
def trained_state(width: int = 8) -> dict[str, Tensor]:
    images, labels = digits()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ConvLIF(width=width)
        fit(model, images[:1300], labels[:1300])
    return model.state_dict()


def trained(mode: str = "m", width: int = 8) -> ConvLIF:
    """A normally trained model, above 95 % on the test samples; trained once a session."""
    model = ConvLIF(mode, width)
    model.load_state_dict(trained_state(width))
    return model.eval()


def held_out(count: int) -> tuple[Tensor, Tensor]:
    images, labels = digits()
    return images[1300 : 1300 + count], labels[1300 : 1300 + count]


def held_out_samples(count: int) -> ArraySamples:
    return ArraySamples(*held_out(count))
