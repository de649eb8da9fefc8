"""One forward pass of a model, looked at: every step that it makes, where, and whether a gradient meets it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import surrogate
from spikingjelly.activation_based.neuron import BaseNode, SimpleBaseNode
from torch import Tensor, nn

from robustbench_snn.estimator.firing import Firing, firings
from robustbench_snn.estimator.hard_operations import zeros_and_ones
from robustbench_snn.estimator.reach import Reach, Reached
from robustbench_snn.estimator.spike_functions import Function, functions, observed
from robustbench_snn.estimator.watched import watching
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.target import Target, Through
from robustbench_snn.randomness import SampleRandom

_NOT_HEAVISIDE = (surrogate.MultiLevelSpikeCount, surrogate.DeterministicPass, surrogate.PoissonPass)


@dataclass(frozen=True)
class Event:
    """A step: whether a gradient by its input was recorded, the module that made it, those around it, its shape."""

    depends: bool
    place: str
    stack: frozenset[nn.Module]
    function: Function | None = None
    shape: tuple[int, ...] = ()


class Notes(Reach):
    """A forward pass that is only looked at."""

    def __init__(self, target: Target, through: Through) -> None:
        super().__init__(target, Reached(), None, lambda layer: lambda u, step: torch.ones_like(u), through=through)
        self.hypotheses: dict[Function, set[Firing]] = {}
        self.varied: set[Function] = set()
        self.straight: dict[Function, int | None] = {}
        self.events: list[Event] = []
        self.binary: list[Event] = []
        self.swappable: list[nn.Module] = []
        self._latest: deque[Tensor] = deque(maxlen=4)
        self.operated: list[Event] = []
        self.ran: list[tuple[nn.Module, str]] = []
        self.steps = self.cuts = 0
        self.squashed = False

    def run(self, images: Tensor) -> None:
        """Looks at one forward pass."""
        neurons = [
            module
            for module in self.target.model.modules()
            if isinstance(module, BaseNode | SimpleBaseNode) and _heaviside(module)
        ]
        with ExitStack() as stack:
            asked = stack.enter_context(watching(self.target.model, neurons))
            stack.enter_context(self.in_force())
            stack.enter_context(observed(functions(), self))
            with torch.enable_grad():
                leaf = images.detach().clone().requires_grad_()
                logits = self.target(leaf, probe_streams(images))
            self.squashed = self.target.loss_logits(logits) is not logits
        layers = [self.target.model.get_submodule(name) for name in asked()]
        self.swappable = [layer for layer in layers if not self._fires_otherwise(layer)]
        self.cuts = self.operations.cuts

    @property
    def sloped(self) -> list[Event]:
        """What an estimator gives a slope to, beyond the spikes of swapped neurons."""
        found, swapped = self.firings(), set(self.swappable)
        fired = [event for event in self.events if event.function in found]
        return [event for event in [*self.operated, *fired] if not event.stack & swapped]

    def firings(self) -> dict[Function, Firing]:
        """The simplest firing of each Function that explains all its calls, at least one of which tells it apart."""
        order = {"u >= 0": 0, "u > 0": 1, "round": 2, "floor": 3, "divide": 4}

        def rank(firing: Firing) -> tuple[bool, bool, int, int]:
            several = firing.step not in ("u >= 0", "u > 0")
            return several, firing.threshold is not None, order[firing.step], firing.threshold or 0

        swapped = set(self.swappable)
        outside = {event.function for event in self.events if not event.stack & swapped} & self.varied
        return {kind: min(found, key=rank) for kind, found in self.hypotheses.items() if found and kind in outside}

    def unseen(self) -> list[str]:
        """Modules that make zeros and ones of something else, and neurons that ran, in a way that was not seen."""
        seen, swapped = {event.place for event in self.events}, set(self.swappable)
        inside = {module for event in self.events for module in event.stack}
        neurons = [place for layer, place in self.ran if layer not in swapped and layer not in inside]
        return [event.place for event in self.binary if event.place not in seen and not event.stack & swapped] + neurons

    def called(self, function: Function, arguments: Sequence[Any], output: Any) -> None:
        """Which firings explain every call so far; whether it gives back what it is given."""
        if not self.running:
            return
        with torch._C.DisableTorchFunction():
            found, same = firings(arguments, output), _same(arguments, output)
            if found and bool((output != output.flatten()[0]).any()):
                self.varied.add(function)
            if found:
                self._latest.append(output.detach())
        self.hypotheses[function] = self.hypotheses.get(function, found) & found
        self.straight[function] = same if self.straight.get(function, same) == same else None
        if found:
            self._event(self.operations.recording and _depends(arguments), function, tuple(output.shape))

    def met(self, kind: str, value: Tensor, result: Any, depends: bool) -> None:
        """A step of a plain operation; one that repeats spikes, such as a reset's, is none of its own."""
        self.steps += depends
        if kind != "comparison":
            return
        with torch._C.DisableTorchFunction():
            repeats = _binary(value) or any(_repeat(result, spikes) for spikes in self._latest)
            if not repeats and isinstance(result, Tensor):
                self._latest.append(result.detach())
        if not repeats:
            self._event(depends)

    def slope(self, membrane: Tensor) -> Tensor:
        """Counts."""
        self.operated.append(self._here(depends=True, shape=tuple(membrane.shape)))
        return super().slope(membrane)

    def left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """A module without parts has run; it may have fired."""
        if self.running and isinstance(module, BaseNode | SimpleBaseNode):
            self.ran.append((module, self.place_name))
        with torch._C.DisableTorchFunction():
            if self.running and not next(module.children(), None) and _fires(inputs, output):
                self.binary.append(self._here(depends=True))

    def _fires_otherwise(self, layer: nn.Module) -> bool:
        """Whether a layer that asks for its surrogate function compares outside of it."""
        return any(
            event.depends
            and event.function is None
            and layer in event.stack
            and layer.surrogate_function not in event.stack
            for event in self.events
        )

    def _event(self, depends: bool, function: Function | None = None, shape: tuple[int, ...] = ()) -> None:
        if not any(isinstance(module, Encoder) for _, module in self._stack):  # it declares its backward pass
            self.events.append(self._here(depends, function, shape))

    def _here(self, depends: bool, function: Function | None = None, shape: tuple[int, ...] = ()) -> Event:
        return Event(depends, self.place_name, frozenset(module for _, module in self._stack), function, shape)


def probe_streams(images: Tensor) -> SampleRandom:
    """Random streams for a look at a model, one an image."""
    return SampleRandom.for_samples("probe", sample_ids=range(len(images)), device=images.device)


def _heaviside(neuron: nn.Module) -> bool:
    """Whether the surrogate function of a neuron fires once at most, at u >= 0."""
    function = getattr(neuron, "surrogate_function", None)
    return isinstance(function, surrogate.SurrogateFunctionBase) and (
        function.spiking and not isinstance(function, _NOT_HEAVISIDE)
    )


def _same(arguments: Sequence[Any], output: Any) -> int | None:
    """Position of the argument that the output repeats, to a few parts in a hundred."""
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.numel() < 2:
        return None
    for place, value in enumerate(arguments):
        if isinstance(value, Tensor) and value.is_floating_point() and value.shape == output.shape:
            centred = (value.detach() - value.detach().mean()).norm()
            if float((output.detach() - value.detach()).norm()) <= 0.2 * float(centred):
                return place
    return None


def _depends(arguments: Sequence[Any]) -> bool:
    return any(isinstance(value, Tensor) and value.requires_grad for value in arguments)


def _fires(inputs: Any, output: Any) -> bool:
    """Whether a module makes zeros and ones of something else."""
    given = next((value for value in inputs if isinstance(value, Tensor)), None) if isinstance(inputs, tuple) else None
    return _binary(output) and given is not None and given.is_floating_point() and not _binary(given)


def _repeat(result: object, spikes: Tensor) -> bool:
    """Whether a comparison says where spikes are, or are not."""
    if not isinstance(result, Tensor) or result.shape != spikes.shape:
        return False
    fired = spikes > 0
    return torch.equal(result > 0, fired) or torch.equal(result > 0, ~fired)


def _binary(values: object) -> bool:
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.numel() < 2:
        return False
    return zeros_and_ones(values) and bool(values.any()) and not bool(values.all())
