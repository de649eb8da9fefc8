"""Where a model has its neurons, found by running it: layers of any library that give zeros and ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from spikingjelly.activation_based.neuron import BaseNode, SimpleBaseNode
from torch import Tensor, nn

from robustbench_snn.fault.kinds import TypeKind
from robustbench_snn.fault.synapses import type_of
from robustbench_snn.model.target import Target, lock_of
from robustbench_snn.randomness import SampleRandom

SIZES = (8, 16)
"""Batches that a model is looked at with: the dimension that grows is that of the samples."""
LEVELS, PART = 16, 4096
"""A layer fires if it takes so few values, which are looked for among so many of its elements."""
SPIKINGJELLY = (BaseNode, SimpleBaseNode)


@dataclass(frozen=True)
class Neurons:
    """One layer of neurons.

    Attributes:
        name: of the module, dotted.
        module: its output, or the first of several, holds the spikes.
        by_steps: a call gives (T, B, ...) and not one step (B, ...).
        positions: shapes (...) of one sample's neurons; several, where a module serves in several places.
        driver: the kind of the layer of weights that ran last before it.
    """

    name: str
    module: nn.Module
    by_steps: bool
    positions: tuple[torch.Size, ...]
    driver: TypeKind | None

    @property
    def count(self) -> int:
        """How many neurons there are."""
        return sum(shape.numel() for shape in self.positions)


@dataclass(frozen=True)
class Survey:
    """The neurons of a model.

    Attributes:
        layers: those whose neurons can be told from samples and steps, in the order in which they first run.
        beyond: names of the layers that give spikes in another form.
    """

    layers: tuple[Neurons, ...]
    beyond: tuple[str, ...]


@dataclass
class _Seen:
    """What was seen of one module in one forward pass."""

    driver: TypeKind | None = None
    shapes: list[torch.Size] = field(default_factory=list)
    levels: set[float] = field(default_factory=set)
    binary: bool = True
    fires: bool = False

    def look(self, inputs: Any, spikes: Tensor) -> None:
        """Notes one call of a module that is not SpikingJelly's: few values, none below zero, that it was not given."""
        levels = _levels(spikes)
        if levels is None or (self.shapes[1:] and not self.levels):
            self.levels.clear()
            return
        self.levels |= levels
        self.binary = self.binary and bool(((spikes == 0) | (spikes == 1)).all())
        given = [_levels(value) for value in inputs if isinstance(value, Tensor) and value.is_floating_point()]
        known = set[float]().union(*(found for found in given if found is not None))
        self.fires |= any(found is None for found in given) or (self.binary and not levels <= known)


def survey(target: Target, images: Tensor, random: SampleRandom) -> Survey:
    """Runs a model on a few images, at two batch sizes, and finds its layers of neurons.

    Every layer of SpikingJelly that runs is one. So is the innermost module, none of torch's own, that gives zeros
    and ones of something else, where it takes one step a call or (T, B, ...). Out of reach are those that are called
    once with the samples in front, where steps cannot be told from neurons, and those that give several spikes at
    once, or graded ones. Spikes that no module hands out are not found.

    Args:
        target: the model, frozen.
        images: (P, C, H, W).
        random: one stream an image.
    """
    sizes = (1,) if target.one_at_a_time else SIZES
    runs: list[Mapping[str, _Seen]] = []
    with torch.no_grad(), lock_of(target.model):
        for size in (1, *sizes):  # at its first call a model is looked at by others too, in passes of their own
            rows = torch.arange(size, device=images.device) % len(images)
            with _watched(target.model) as seen:
                target(images[rows], random[rows])
            runs.append(seen)
    runs = runs[1:]
    modules = dict(target.model.named_modules())
    layers, beyond = [], []
    for name in _firing(modules, runs[-1]):
        module, last = modules[name], runs[-1][name]
        by_steps = _by_steps(module, [run[name].shapes for run in runs], sizes)
        if by_steps is None or not last.binary:
            beyond.append(name)
        else:
            positions = tuple(dict.fromkeys(shape[1 + by_steps :] for shape in last.shapes))
            layers.append(Neurons(name, module, by_steps, positions, last.driver))
    return Survey(tuple(layers), tuple(beyond))


def spikes_of(output: Any) -> Tensor | None:
    """The spikes that a layer hands out, alone or before its state."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) and first.is_floating_point() else None


@contextmanager
def _watched(model: nn.Module) -> Iterator[dict[str, _Seen]]:
    seen: dict[str, _Seen] = {}
    driver: list[TypeKind | None] = [None]

    def hook(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        kind = type_of(module)
        if kind in ("conv", "linear"):
            driver[0] = kind
        spikes = spikes_of(output)
        if spikes is None:
            return
        here = seen.setdefault(name, _Seen(driver[0]))
        here.shapes.append(spikes.shape)
        if not isinstance(module, SPIKINGJELLY) and type(module).__module__.partition(".")[0] != "torch":
            here.look(inputs, spikes)

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                handle = module.register_forward_hook(
                    lambda module, inputs, output, name=name: hook(name, module, inputs, output)
                )
                stack.callback(handle.remove)
        yield seen


def _levels(values: Tensor) -> set[float] | None:
    """The values that a tensor takes, of a part of it; None where they are many or some are below zero."""
    some = values.detach().flatten()
    found = some[:: max(1, len(some) // PART)].unique()
    return set(found.tolist()) if len(found) <= LEVELS and bool((found >= 0).all()) else None


def _firing(modules: Mapping[str, nn.Module], seen: Mapping[str, _Seen]) -> list[str]:
    """Names of the layers of neurons, in the order in which they first ended a call."""
    jelly = [name for name in seen if isinstance(modules[name], SPIKINGJELLY)]
    parts = tuple(f"{name}." for name in jelly)
    outside = [name for name in seen if name not in jelly and not name.startswith(parts)]
    fired = [name for name in outside if seen[name].fires and len(seen[name].levels) > 1 and 0.0 in seen[name].levels]
    inner = [name for name in fired if not any(_inside(other, name) for other in (*jelly, *fired))]
    return [name for name in seen if name in {*jelly, *inner}]


def _inside(part: str, whole: str) -> bool:
    return part != whole and (not whole or part.startswith(f"{whole}."))


def _by_steps(module: nn.Module, runs: Sequence[Sequence[torch.Size]], sizes: Sequence[int]) -> bool | None:
    """Whether calls give (T, B, ...); None where they give neither that nor (B, ...)."""
    places = {_batch_dimension(shapes, sizes) for shapes in zip(*runs, strict=True)}
    if len(sizes) == 1:  # one sample at a time: only a declared mode tells
        places = {int(_mode(module) == "m")} if _mode(module) else set()
    if len(places) != 1 or (place := places.pop()) not in (0, 1):
        return None
    if isinstance(module, SPIKINGJELLY):
        return place == 1 if (place == 1) == (_mode(module) != "s") else None
    return None if place == 0 and len(runs[0]) == 1 else place == 1


def _mode(module: nn.Module) -> str | None:
    return getattr(module, "step_mode", None) if isinstance(module, SPIKINGJELLY) else None


def _batch_dimension(shapes: Sequence[torch.Size], sizes: Sequence[int]) -> int | None:
    """The only dimension that changed with the batch, if its size is the batch's."""
    first = shapes[0]
    moved = [place for place in range(len(first)) if len({shape[place : place + 1] for shape in shapes}) > 1]
    exact = len(moved) == 1 and all(shape[moved[0]] == size for shape, size in zip(shapes, sizes, strict=True))
    return moved[0] if exact else None
