"""What is to be known of one published layout, and the names that layouts share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

State = Mapping[str, Tensor]
Names = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Layout:
    """A published state dict's names, and the model that computes what the authors' does.

    Attributes:
        backbone: our backbone.
        pool: the order of max-pool and neurons in the authors' stem.
        blocks: regular expression of one block's prefix; as many as a file has, so deep is the model.
        heads: heads of the authors' CIFAR model; their ImageNet models have heads of 64 channels, or
            ``imagenet_heads`` of them.
        names: pairs of a layer's name in a file of so many blocks and its name in our classifier. A name of ours may
            occur twice, where releases of the authors' code differ.
        unused: regular expression of keys of layers that the authors' code builds and never calls.
        imagenet: whether a file is of the authors' ImageNet code; None if theirs is one code for both.
        imagenet_heads: heads of the ImageNet models if not one for 64 channels.
    """

    backbone: str
    pool: Literal["after", "before"]
    blocks: str
    heads: int
    names: Callable[[int, bool], Names]
    unused: str | None = None
    imagenet: Callable[[State], bool] | None = None
    imagenet_heads: int | None = None

    def depth(self, state: State) -> int:
        """Number of blocks in a file."""
        return len({match.group() for key in state if (match := re.match(self.blocks, key))})


def attention(theirs: str, ours: str, *, value: bool = True) -> Names:
    """The projections of one attention."""
    parts = {"q": "query", "k": "key", "proj": "project"} | ({"v": "value"} if value else {})
    for short, name in parts.items():
        yield f"{theirs}.{short}_linear", f"{ours}.{name}.linear"
        yield f"{theirs}.{short}_conv", f"{ours}.{name}.linear"
        yield f"{theirs}.{short}_bn", f"{ours}.{name}.norm"


def mlp(theirs: str, ours: str) -> Names:
    """The two layers of one MLP, under any of the names in use."""
    for number, name in ((1, "expand"), (2, "contract")):
        yield f"{theirs}.fc{number}_linear", f"{ours}.{name}.linear"
        for stem in ("fc", "mlp"):
            yield f"{theirs}.{stem}{number}_conv", f"{ours}.{name}.linear"
            yield f"{theirs}.{stem}{number}_bn", f"{ours}.{name}.norm"


def encoder(theirs: str) -> Names:
    """The stem's first stage, given the common part of its convolution's and batch norm's names."""
    yield f"{theirs}_conv", "encoder.drive.0"
    yield f"{theirs}_bn", "encoder.drive.1"


def conv_norm(conv: str, norm: str, ours: str) -> Names:
    """A later stage of the stem."""
    yield conv, f"{ours}.conv"
    yield norm, f"{ours}.norm"
