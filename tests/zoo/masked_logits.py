"""Masks behind the model: the answer is dressed so that a loss has no slope."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.bases import conv_lif
from tests.zoo.entry import Builder, Entry

Dress = Callable[[Tensor], Tensor]


class Answers(nn.Module):
    """A model behind whose logits stands a function."""

    def __init__(self, dress: Dress) -> None:
        super().__init__()
        self.dress, self.model = dress, conv_lif()

    def forward(self, images: Tensor) -> Tensor:
        return self.dress(self.model(images))


def answers(dress: Dress) -> Builder:
    return lambda: Answers(dress).eval()


def one_hot(z: Tensor) -> Tensor:
    return F.one_hot(z.argmax(1), 10).float()


def scattered(z: Tensor) -> Tensor:
    return torch.zeros_like(z).scatter(1, z.argmax(1, keepdim=True), 1.0)


def rounded_blind(z: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.round(z * 8.0) / 8.0


def ranks(z: Tensor) -> Tensor:
    return z.argsort(1).argsort(1).float()


def top_alone(z: Tensor) -> Tensor:
    """All but the largest logit set to zero; only that one has a gradient."""
    return z * (z == z.amax(1, keepdim=True)) + 10.0 * (z == z.amax(1, keepdim=True))


def entry(name: str, dress: Dress, *, agrees: bool = True, learns: bool = True) -> Entry:
    """Decides otherwise than the bare model: where logits saturate, lose digits or tie."""
    return Entry(f"logits: {name}", "logits", answers(dress), (conv_lif,), agrees=agrees, learns=learns)


def monotone(name: str, dress: Dress) -> Entry:
    """Decides as the bare model does, everywhere."""
    return Entry(f"logits: {name}", "logits", answers(dress), (conv_lif,), same=True)


ENTRIES = (
    monotone("times 50", lambda z: 50.0 * z),
    monotone("times 1e6", lambda z: 1e6 * z),
    monotone("over 1e6", lambda z: z / 1e6),
    monotone("over 1e30", lambda z: z / 1e30),
    entry("plus 1e4", lambda z: z + 1e4),
    entry("plus 1e6", lambda z: z + 1e6),
    monotone("softmax of 20 z", lambda z: (20.0 * z).softmax(1)),
    entry("tanh of 50 z", lambda z: torch.tanh(50.0 * z), agrees=False),
    monotone("tanh of 50 times the lead", lambda z: torch.tanh(50.0 * (z - z.topk(2, 1)[0].mean(1, keepdim=True)))),
    entry("rounded", lambda z: torch.round(z)),
    entry("rounded under no_grad", rounded_blind),
    monotone("one-hot", one_hot),
    monotone("one-hot by scatter", scattered),
    monotone("ranks", ranks),
    monotone("top alone", top_alone),
    entry("ties of a rate readout", lambda z: torch.round(4.0 * z.softmax(1)) / 4.0, agrees=False),
    entry("constant", lambda z: 0.0 * z, agrees=False, learns=False),
    entry("constant class", lambda z: 0.0 * z + torch.eye(10, device=z.device)[3], agrees=False, learns=False),
)
