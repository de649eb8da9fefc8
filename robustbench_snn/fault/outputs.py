"""Faults of what neurons hand out: dead, saturated, stuck, random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.fault.kinds import Fault
from robustbench_snn.fault.survey import Neurons, spikes_of

Key = tuple[str, torch.Size]


class FaultyOutputs:
    """What some neurons of some layers hand out, in place of their spikes; their membranes go on as they were.

    =============  ==================================================================
    ``dead``       0 at every step
    ``saturated``  1 at every step
    ``stuck``      what the neuron says of this sample at the first step, at every one
    ``random``     0 or 1 with equal chance, anew at each step, alike for all samples
    =============  ==================================================================

    A site is a neuron: a place (C, H, W) of a layer, the same for all samples and steps.

    Args:
        fault: its kind, the probability of a site, and the random numbers.

    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._hits: dict[Key, int] = {}
        self._masks: dict[Key, Tensor | None] = {}
        self._first: dict[Key, Tensor] = {}
        self._steps: dict[Key, int] = {}

    @property
    def hits(self) -> int:
        """How many neurons are hit, of the layers that have run."""
        return sum(self._hits.values())

    def begin(self) -> None:
        """A new forward pass: step 1 comes next."""
        self._first.clear()
        self._steps.clear()

    def of(self, layer: Neurons, spikes: Tensor) -> Tensor | None:
        """The faulty spikes (T, B, ...) of a layer's next steps, from the right ones; None where none is hit."""
        key = layer.name, spikes.shape[2:]
        step = self._steps.get(key, 0)
        self._steps[key] = step + len(spikes)
        mask = self._mask(key, spikes.device)
        if mask is None:
            return None
        match self.fault.kind:
            case "dead":
                return spikes.masked_fill(mask, 0.0)
            case "saturated":
                return spikes.masked_fill(mask, 1.0)
            case "stuck":
                return torch.where(mask, self._first.setdefault(key, spikes[0]), spikes)
            case "random":
                return torch.where(mask, self._train(key, step, len(spikes)).to(spikes), spikes)
        raise ValueError(f"{self.fault.kind} is no fault of what neurons hand out")

    def _mask(self, key: Key, device: torch.device) -> Tensor | None:
        if key not in self._masks:
            mask = self.fault.hits(_place(key), key[1])
            self._hits[key] = int(mask.sum())
            self._masks[key] = mask.to(device) if self._hits[key] else None
        return self._masks[key]

    def _train(self, key: Key, first: int, steps: int) -> Tensor:
        """A random train (T, 1, ...) of 0 and 1."""
        stream = self.fault.random(_place(key))
        return torch.stack([stream.fold("step", t).uniform(*key[1]) < 0.5 for t in range(first, first + steps)])


@contextmanager
def faulty_outputs(layers: Sequence[Neurons], fault: Fault) -> Iterator[FaultyOutputs]:
    """Puts a fault upon what layers hand out while inside; every hook is gone afterwards, even on error."""
    faulty = FaultyOutputs(fault)
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.module.register_forward_hook(_hook(layer, faulty)).remove)
        yield faulty


def _hook(layer: Neurons, faulty: FaultyOutputs) -> Callable[[nn.Module, Any, Any], Any]:
    def after(module: nn.Module, inputs: Any, output: Any) -> Any:
        spikes = spikes_of(output)
        if spikes is None:
            return None
        made = faulty.of(layer, spikes if layer.by_steps else spikes[None])
        if made is None:
            return None
        given = made if layer.by_steps else made[0]
        return type(output)([given, *output[1:]]) if isinstance(output, tuple | list) else given

    return after


def _place(key: Key) -> str:
    return f"{key[0]} {tuple(key[1])}"
