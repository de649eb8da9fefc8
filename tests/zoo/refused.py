"""Models without a robust accuracy of their own: they answer one image in two ways, or by its batch mates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from tests.attack_models import ConvLIF, Noisy
from tests.zoo.bases import conv_lif, dressed
from tests.zoo.entry import Entry
from tests.zoo.handwritten import HandTriangle


class Kept(HandTriangle):
    """The membrane stays from forward to forward; nobody sets it back.

    Args:
        graph: keep its graph too: a second backward pass then goes through the first one's.
    """

    def __init__(self, graph: bool = False, **given: Any) -> None:
        super().__init__(**given)
        self.graph, self.v = graph, None

    v: Tensor | None

    def forward(self, drive: Tensor) -> Tensor:
        v = torch.zeros_like(drive[0]) if self.v is None or self.v.shape != drive[0].shape else self.v
        spikes = []
        for x in drive:
            v = v + (x - v) / 2.0
            spike = self.fire(v - 1.0)
            v = v * (1.0 - spike.detach())
            spikes.append(spike)
        self.v = v if self.graph else v.detach()
        return torch.stack(spikes)


class Perturbs(nn.Module):
    """A model whose images a function changes first, each time in another way."""

    def __init__(self, change: Callable[[Tensor], Tensor], model: nn.Module | None = None) -> None:
        super().__init__()
        self.change, self.model = change, model or conv_lif()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.change(images))
        return logits


def counted() -> nn.Module:
    """Shifts the image by one pixel at every third call."""
    calls = count()
    return Perturbs(lambda x: torch.roll(x, 1, 3) if next(calls) % 3 == 2 else x).eval()


def privately() -> nn.Module:
    """Noise from a generator of its own, which no seed of torch reaches."""
    generator = torch.Generator().manual_seed(0)
    return Perturbs(lambda x: x + 0.1 * torch.randn(x.shape, generator=generator).to(x)).eval()


def remembering() -> nn.Module:
    """Mixes a tenth of the mean image of the call before into each."""
    past = [torch.zeros(1, 1, 8, 8)]

    def change(x: Tensor) -> Tensor:
        mixed = 0.9 * x + 0.1 * past[0].to(x)
        past[0] = x.detach().mean(0, keepdim=True)
        return mixed

    return Perturbs(change).eval()


class AlwaysTraining(ConvLIF):
    """Its batch norms stay in train mode, whatever is asked for: batch statistics."""

    def train(self, mode: bool = True) -> AlwaysTraining:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.training = True
        return self


def batch_statistics() -> nn.Module:
    """Batch norms without running statistics."""
    model = conv_lif()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    return model.eval()


def always_training() -> nn.Module:
    model = AlwaysTraining()
    model.load_state_dict(conv_lif().state_dict())
    return model.eval()


def centred() -> nn.Module:
    """The batch's mean logit of each class is taken off, and a tenth of it put back."""

    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = conv_lif()

        def forward(self, images: Tensor) -> Tensor:
            z: Tensor = self.model(images)
            return z - 0.9 * z.mean(0, keepdim=True)

    return Centred().eval()


def entry(name: str, build: Callable[[], nn.Module]) -> Entry:
    return Entry(f"state: {name}", "state", build, (conv_lif,), refused=True, agrees=False)


ENTRIES = (
    entry("membrane kept", partial(dressed, Kept)),
    entry("membrane and graph kept", partial(dressed, partial(Kept, True))),
    entry("every third call", counted),
    entry("last batch remembered", remembering),
    entry("undeclared noise", lambda: Noisy(conv_lif(), 0.1).eval()),
    entry("undeclared small noise", lambda: Noisy(conv_lif(), 1e-3).eval()),
    entry("noise of its own generator", privately),
    entry("batch statistics", batch_statistics),
    entry("batch norm in train mode", always_training),
    entry("batch mean off the logits", centred),
)
