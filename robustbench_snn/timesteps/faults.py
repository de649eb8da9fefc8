"""Temporal faults between encoder and backbone: steps lost or out of order, spikes early, late or missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from robustbench_snn.randomness import SampleRandom

FaultName = Literal["drop", "blank", "freeze", "shuffle", "jitter", "delete"]
STEPWISE: tuple[FaultName, ...] = ("drop", "blank", "freeze")
RANDOM: tuple[FaultName, ...] = ("shuffle", "jitter", "delete")


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: ``drop`` leaves a step out, so that the run is one shorter; ``blank`` empties it; ``freeze`` repeats the
            step before it; ``shuffle`` puts all steps in a random order, one for each sample; ``jitter`` moves each
            spike, with probability ``rate``, to the step before or after; ``delete`` drops it.
        step: the step that ``drop``, ``blank`` or ``freeze`` is about, counted from 1; ``freeze`` begins at 2.
        rate: probability, in [0, 1], that ``jitter`` or ``delete`` hits a spike.
    """

    kind: FaultName
    step: int = 0
    rate: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultName):
            raise ValueError(f"unknown fault '{self.kind}'; there are {', '.join(get_args(FaultName))}")

    @property
    def name(self) -> str:
        """``drop_2``, ``shuffle``, ``jitter_0.1``."""
        if self.kind in STEPWISE:
            return f"{self.kind}_{self.step}"
        return self.kind if self.kind == "shuffle" else f"{self.kind}_{self.rate:g}"

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return self.kind in RANDOM

    def __call__(self, spikes: Tensor, random: SampleRandom) -> Tensor:
        """The faulty spikes, (T, B, ...) or, after ``drop``, (T - 1, B, ...).

        Args:
            spikes: (T, B, ...).
            random: one stream a sample.
        """
        apply: dict[FaultName, Callable[[], Tensor]] = {
            "drop": lambda: _drop(spikes, self.step - 1),
            "blank": lambda: _replaced(spikes, self.step - 1, torch.zeros_like(spikes[0])),
            "freeze": lambda: _replaced(spikes, self.step - 1, spikes[self.step - 2]),
            "shuffle": lambda: shuffle(spikes, random),
            "jitter": lambda: jitter(spikes, random, self.rate),
            "delete": lambda: spikes * (_uniform(spikes, random.fold("delete")) >= self.rate),
        }
        return apply[self.kind]()


def shuffle(spikes: Tensor, random: SampleRandom) -> Tensor:
    """Puts the steps of each sample in a random order, the same for all its neurons; spikes are (T, B, ...)."""
    order = random.fold("shuffle").uniform(len(spikes)).argsort(1).T  # (T, B)
    index = order.reshape(*order.shape, *[1] * (spikes.ndim - 2)).expand_as(spikes)
    return spikes.gather(0, index)


def jitter(spikes: Tensor, random: SampleRandom, rate: float) -> Tensor:
    """Moves spikes by one step: half of the moves earlier, half later.

    A spike that would leave the run at either end stays; where two meet, one is left (of real values, the larger).

    Args:
        spikes: (T, B, ...).
        random: one stream a sample.
        rate: probability that a spike moves, in [0, 1].
    """
    draw = _uniform(spikes, random.fold("jitter"))
    earlier, later = draw < rate / 2, (draw >= rate / 2) & (draw < rate)
    earlier[0], later[-1] = False, False
    stays = spikes.masked_fill(earlier | later, 0)
    empty = torch.zeros_like(spikes[:1])
    up = torch.cat([spikes.masked_fill(~earlier, 0)[1:], empty])
    down = torch.cat([empty, spikes.masked_fill(~later, 0)[:-1]])
    return stays.maximum(up).maximum(down)


def _uniform(spikes: Tensor, random: SampleRandom) -> Tensor:
    """A draw for every spike, (T, B, ...)."""
    return random.uniform(len(spikes), *spikes.shape[2:]).transpose(0, 1)


def _drop(spikes: Tensor, step: int) -> Tensor:
    """Without one step, counted from 0: (T - 1, B, ...)."""
    return torch.cat([spikes[:step], spikes[step + 1 :]])


def _replaced(spikes: Tensor, step: int, by: Tensor) -> Tensor:
    """With one step, counted from 0, replaced by (B, ...)."""
    return torch.cat([spikes[:step], by[None], spikes[step + 1 :]])
