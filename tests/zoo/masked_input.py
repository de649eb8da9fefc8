"""Masks at the entry: the image is read in a way that hands no gradient on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.zoo.bases import conv_lif, trained
from tests.zoo.bodies import Rated, straight
from tests.zoo.entry import Builder, Entry

Reading = Callable[[Tensor], Tensor]


class Reads(nn.Module):
    """A model behind a function of the images."""

    def __init__(self, reading: Reading, model: nn.Module) -> None:
        super().__init__()
        self.reading, self.model = reading, model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.reading(images))
        return logits


def reads(reading: Reading, base: Builder = conv_lif) -> Builder:
    return lambda: Reads(reading, base()).eval()


def passed(reading: Reading) -> Builder:
    """The same reading with a straight-through gradient."""
    return reads(lambda x: straight(reading(x), x))


def undifferentiated(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 1.0


def by_numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(x.detach().cpu().numpy().copy()).to(x.device)


def levels(x: Tensor, steps: int = 15) -> Tensor:
    return torch.round(x * steps) / steps


def looked_up(x: Tensor) -> Tensor:
    """Grey levels by a table of 256."""
    return torch.linspace(0.0, 1.0, 256, device=x.device)[(x * 255.0).round().long().clamp(0, 255)]


def eight_bits(x: Tensor) -> Tensor:
    return (x * 255.0).round().to(torch.uint8).to(torch.float32) / 255.0


def root_square(x: Tensor) -> Tensor:
    """Infinite slope times zero at black pixels."""
    return x.sqrt() ** 2


class Stopped(torch.autograd.Function):
    """Identity; its backward pass gives nothing, or noise."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: bool) -> Tensor:
        ctx.noise = noise
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return torch.randn_like(grads[0]) if ctx.noise else torch.zeros_like(grads[0]), None


def stopped(x: Tensor, noise: bool = False) -> Tensor:
    result: Tensor = Stopped.apply(x, noise)
    return result


class RoundsInEval(Reads):
    """Rounds to 16 levels, but for training."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images if self.training else levels(images))
        return logits


def smooth(x: Tensor) -> Tensor:
    """Binomial low-pass, 3x3."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), torch.outer(line, line)[None, None])


def guarded(x: Tensor) -> Tensor:
    """Low-passed where there is more energy in high frequencies than in 95 of 100 clean digits."""
    energy = (x - smooth(x)).square().mean((1, 2, 3), keepdim=True)
    return torch.where(energy > 0.04, smooth(x), x)


def cleaned(x: Tensor) -> Tensor:
    """Dim pixels made black, with a straight-through gradient."""
    return straight(torch.where(x < 0.11, 0.0, x), x)


def undimmed(x: Tensor) -> Tensor:
    """Dim pixels made black where there are more of them than in a clean digit."""
    dim = ((x > 0.0) & (x < 0.11)).float().mean((1, 2, 3), keepdim=True)
    return torch.where(dim > 0.15, torch.where(x < 0.11, 0.0, x), x)


class NaNOffGrid(nn.Module):
    """No number for images whose pixels are not multiples of 1/16, which all clean digits' are."""

    def __init__(self) -> None:
        super().__init__()
        self.model = conv_lif()

    def forward(self, images: Tensor) -> Tensor:
        off = ((images * 16.0).frac() != 0).flatten(1).any(1, keepdim=True)
        logits: Tensor = self.model(images)
        return torch.where(off, torch.nan, logits)


class Drawn(Rated):
    """Bernoulli spikes without a gradient: torch's is zero."""

    def frames(self, images: Tensor) -> Tensor:
        return torch.bernoulli(images.clamp(0.0, 1.0).expand(8, *images.shape))


def drawn() -> nn.Module:
    model = Drawn()
    model.load_state_dict(trained("rated").state_dict())
    return model.eval()


def binary() -> nn.Module:
    """Black and white by a comparison, without a gradient."""
    bare = trained("binary")
    return Reads(lambda x: (x > 0.47).to(x), bare.get_submodule("model")).eval()


def entry(name: str, reading: Reading, *bares: Builder) -> Entry:
    return Entry(f"input: {name}", "input", reads(reading), (*bares, conv_lif), same=not bares)


ENTRIES = (
    entry("detach", torch.Tensor.detach),
    entry("no_grad", undifferentiated),
    entry("numpy", by_numpy),
    entry("16 levels", levels, passed(levels)),
    entry("5 levels", partial(levels, steps=4), passed(partial(levels, steps=4))),
    entry("table of grey levels", looked_up, passed(looked_up)),
    entry("uint8", eight_bits, passed(eight_bits)),
    entry("root squared", root_square),
    entry("identity with zero backward", stopped),
    entry("identity with random backward", partial(stopped, noise=True)),
    Entry(
        "input: 16 levels in eval mode",
        "input",
        lambda: RoundsInEval(levels, conv_lif()).eval(),
        (passed(levels), conv_lif),
    ),
    Entry("input: high-frequency guard", "input", reads(guarded), (reads(guarded), reads(smooth), conv_lif)),
    Entry("input: dim-pixel guard", "input", reads(undimmed), (reads(cleaned), passed(undimmed), conv_lif)),
    Entry("input: nan off the grid", "input", lambda: NaNOffGrid().eval(), (conv_lif,)),
    Entry("input: bernoulli", "input", drawn, (partial(trained, "rated"),), stochastic=True, base="rated"),
    Entry("input: black and white", "input", binary, (partial(trained, "binary"),), base="binary"),
)
