"""Bodies of the zoo beside ConvLIF."""

from __future__ import annotations

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from tests.attack_models import ConvLIF


class Straight(torch.autograd.Function):
    """Any value with the gradient of another."""

    @staticmethod
    def forward(ctx: object, value: Tensor, through: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]


def straight(value: Tensor, through: Tensor) -> Tensor:
    """``value`` in the forward pass, ``through`` in the backward pass: BPDA."""
    result: Tensor = Straight.apply(value.detach(), through)
    return result


class Rated(ConvLIF):
    """Rate code: Bernoulli spikes of the pixels in every one of eight steps, straight-through."""

    def frames(self, images: Tensor) -> Tensor:
        """Spikes (T, B, 1, 8, 8) of the images."""
        chances = images.clamp(0.0, 1.0).expand(8, *images.shape)
        return straight(torch.bernoulli(chances.detach()), chances)

    def forward(self, images: Tensor) -> Tensor:
        frames = self.frames(images)
        shape = frames.shape[:2]
        spikes = self.spike1(self.first(frames.flatten(0, 1)).unflatten(0, shape))
        spikes = self.spike2(self.second(spikes.flatten(0, 1)).unflatten(0, shape))
        logits: Tensor = self.read(spikes.flatten(2)).mean(0)
        return logits


class Attentive(nn.Module):
    """Spiking convolutions with squeeze-and-excitation of the channels and dropout; last-step membrane readout."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.BatchNorm2d(width))
        self.spike1, self.spike2 = (neuron.LIFNode(surrogate_function=surrogate.ATan()) for _ in range(2))
        self.excite = nn.Sequential(nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid())
        self.drop, self.read = nn.Dropout(0.2), nn.Linear(width * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        drive, membrane = self.first(images), torch.zeros(len(images), 10, device=images.device)
        for _ in range(4):
            spikes = self.spike1(drive)
            spikes = self.spike2(self.second(spikes * self.excite(spikes.mean((2, 3)))[..., None, None]))
            membrane = 0.8 * membrane + self.read(self.drop(spikes.flatten(1)))
        return membrane


class StraightBinary(nn.Module):
    """Black and white at the entry, with a soft gradient."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        soft = torch.sigmoid(8.0 * (images - 0.47))
        logits: Tensor = self.model(straight((images > 0.47).to(images), soft))
        return logits


class Complementary(neuron.ComplementaryLIFNode):  # type: ignore[misc]
    """SpikingJelly's, kept in train mode: in eval mode it hands no gradient on. The forward pass is the same."""

    def __init__(self, step_mode: str, **_: object) -> None:
        super().__init__(step_mode=step_mode)

    def train(self, mode: bool = True) -> Complementary:
        super().train(True)
        return self


class OneStep(neuron.SLTTLIFNode):  # type: ignore[misc]
    """SpikingJelly's spatial-learning-through-time LIF, kept in train mode for the same reason."""

    def train(self, mode: bool = True) -> OneStep:
        super().train(True)
        return self
