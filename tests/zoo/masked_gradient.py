"""Poisoned gradients: the same logits, bit for bit, and a backward pass that leads elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tests.zoo.bases import conv_lif
from tests.zoo.entry import Entry

Decoy = Callable[[Tensor, Tensor], Tensor]
"""A function of images (B, 1, 8, 8) and logits (B, 10) whose gradient is added, (B, 10)."""
Change = Callable[[Tensor], Tensor]


class Decoyed(nn.Module):
    """Adds h - h.detach() to the logits: zero, with h's gradient."""

    def __init__(self, decoy: Decoy) -> None:
        super().__init__()
        self.decoy, self.model = decoy, conv_lif()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        h = self.decoy(images, logits)
        return logits + (h - h.detach())


class Hooked(nn.Module):
    """Changes the gradient of the images, or of the first layer's output, by a hook."""

    def __init__(self, change: Change, *, module: bool = False) -> None:
        super().__init__()
        self.change, self.model, self.module = change, conv_lif(), module
        if module:
            self.model.first.register_full_backward_hook(lambda _, into, out: tuple(map(self._changed, into)))

    def _changed(self, gradient: Tensor | None) -> Tensor | None:
        return None if gradient is None else self.change(gradient)

    def forward(self, images: Tensor) -> Tensor:
        x = images * 1.0
        if x.requires_grad and not self.module:
            x.register_hook(self.change)
        logits: Tensor = self.model(x)
        return logits


def projected(images: Tensor, logits: Tensor, factor: float = 1e3) -> Tensor:
    weight = torch.randn(10, 64, generator=torch.Generator().manual_seed(7)).to(images.device)
    return factor * images.flatten(1) @ weight.T


def waves(images: Tensor, logits: Tensor) -> Tensor:
    return torch.sin(1000.0 * projected(images, logits, 1.0))


def entry(name: str, build: Callable[[], nn.Module]) -> Entry:
    return Entry(f"gradient: {name}", "gradient", lambda: build().eval(), (conv_lif,), same=True)


ENTRIES = (
    entry("random projection", partial(Decoyed, projected)),
    entry("gentle projection", partial(Decoyed, partial(projected, factor=10.0))),
    entry("reversed", partial(Decoyed, lambda _, z: -2.0 * z)),
    entry("cancelled", partial(Decoyed, lambda _, z: -z)),
    entry("waves", partial(Decoyed, waves)),
    entry("brightness", partial(Decoyed, lambda x, _: 1e3 * x.mean((1, 2, 3))[:, None] * torch.arange(10.0))),
    entry("tensor hook, zero", partial(Hooked, lambda g: g * 0)),
    entry("tensor hook, random", partial(Hooked, torch.randn_like)),
    entry("tensor hook, reversed", partial(Hooked, torch.neg)),
    entry("tensor hook, nan", partial(Hooked, lambda g: g * torch.nan)),
    entry("module hook, zero", partial(Hooked, lambda g: g * 0, module=True)),
    entry("module hook, shuffled", partial(Hooked, lambda g: g.flip(-1, -2), module=True)),
)
