"""What a gradient estimator reaches in a model while it is in force, beyond SpikingJelly's own neurons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from robustbench_snn.estimator.firing import Firing
from robustbench_snn.estimator.hard_operations import HardOperations
from robustbench_snn.estimator.spike_functions import Function, Replacement, observed
from robustbench_snn.model.swapping import swapped
from robustbench_snn.model.target import Target, Through

Slope = Callable[[Tensor, int], Tensor]
"""One place's slope: u (B, ...) and the step, counted from 0, to what stands for ds/du."""


Axes = Mapping[tuple[str, int], set[tuple[int, tuple[int, ...]]]]
"""By a place and a number of dimensions: which dimension grows with the batch, and the sizes of the others."""


class Slopes(Protocol):
    """Where the slopes of one place come from."""

    def __call__(self, layer: nn.Module) -> Slope:
        """A fresh slope for a place inside this layer."""


@dataclass(frozen=True)
class Reached:
    """Which parts of a model make spikes, besides neurons whose surrogate function is swapped.

    Attributes:
        firings: Functions that fire, and how.
        straight: Functions that give back what they are given, nearly; by position of the argument.
        neurons: layers whose surrogate function is swapped: what happens inside is their own.
        axes: where the samples stand in what fires outside of them.
    """

    firings: dict[Function, Firing] = field(default_factory=dict)
    straight: dict[Function, int] = field(default_factory=dict)
    neurons: frozenset[nn.Module] = frozenset()
    axes: Axes = field(default_factory=dict)


class Reach:
    """One estimator in force in one model: counts the spikes of a forward pass and gives each its slope.

    Args:
        target: the model.
        reached: what makes its spikes.
        slopes: the estimator's; None leaves autograd Functions alone and only helps operations that have no slope.
        helper: slopes of such operations, where ``slopes`` is None.
        through: whether to pass through what cuts the gradient.

    Attributes:
        given: slopes given in the present forward pass.
    """

    def __init__(
        self,
        target: Target,
        reached: Reached,
        slopes: Slopes | None,
        helper: Slopes,
        *,
        through: Through = Through.NO,
    ) -> None:
        self.target = target
        self.reached = reached
        self.through = through
        self.given = 0
        self.running = False
        self.operations = HardOperations(self)
        self._slopes, self._helper = slopes, helper
        self._call = 0
        self._stack: list[tuple[str, nn.Module]] = []
        self._made: dict[tuple[str, torch.Size], Slope] = {}
        self._steps: Counter[tuple[str, torch.Size]] = Counter()

    @property
    def batch(self) -> int:
        """Samples in this forward pass, padding included."""
        return self.target.running_batch

    @property
    def place_name(self) -> str:
        """Name of the innermost module that is running."""
        return self._stack[-1][0] if self._stack else ""

    @property
    def layer(self) -> nn.Module:
        """The innermost module that is running."""
        return self._stack[-1][1] if self._stack else self.target.model

    def inside_swapped(self) -> bool:
        """Whether a neuron runs whose surrogate function is swapped."""
        return any(module in self.reached.neurons for _, module in self._stack)

    def called(self, function: Function, arguments: Sequence[Any], output: Any) -> Replacement | None:
        """See :class:`robustbench_snn.estimator.spike_functions.Observer`."""
        if not self.running or self.inside_swapped():
            return None
        firing = self.reached.firings.get(function)
        if firing is not None and self._slopes is not None:
            self.given += 1
            with torch._C.DisableTorchFunction():
                slope = firing.slope(arguments, output, self._slope)
            self.operations.resets.fired(output, arguments[firing.argument])
            return Replacement(firing.argument, lambda gradient: gradient * slope)
        if self.through and function in self.reached.straight:
            return Replacement(self.reached.straight[function], lambda gradient: gradient, alone=True)
        return None

    def met(self, kind: str, value: Tensor, result: Any, depends: bool) -> None:
        """See :class:`robustbench_snn.estimator.hard_operations.Rule`."""

    def slope(self, membrane: Tensor) -> Tensor:
        """The slope of the next spikes of the present place; ``membrane`` of any shape."""
        self.given += 1
        return self._slope(membrane)

    def _slope(self, membrane: Tensor) -> Tensor:
        moved, back = by_sample(membrane, self.batch, self._axis(membrane.shape))
        key = self.place_name, moved.shape[1:]
        if key not in self._made:
            self._made[key] = (self._slopes or self._helper)(self.layer)
        step = self._steps[key]
        self._steps[key] = step + 1
        with torch.enable_grad():
            slope = self._made[key](moved.detach(), step).detach()
        return back(slope)

    def _axis(self, shape: torch.Size) -> int | None:
        """The dimension that holds the samples: the one that the census saw grow, else the first that may."""
        known = self.reached.axes.get((self.place_name, len(shape)), set())
        fit = {axis for axis, others in known if others == others_than(axis, shape)} or {axis for axis, _ in known}
        likely = fit if len(fit) == 1 else range(min(len(shape), 2))
        return next((axis for axis in likely if self.batch and shape[axis] % self.batch == 0), None)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Follows the model's forward passes; all is restored, even on error."""
        kinds = [*self.reached.firings, *(self.reached.straight if self.through else ())]
        with ExitStack() as stack:
            for name, module in self.target.model.named_modules():
                stack.callback(module.register_forward_pre_hook(self._entering(name)).remove)
                stack.callback(module.register_forward_hook(self._leaving, always_call=True).remove)
                if self.through:
                    for hooks in ("_backward_hooks", "_backward_pre_hooks"):
                        stack.enter_context(swapped(module, hooks, {}))
            stack.enter_context(observed(kinds, self))
            stack.enter_context(self.operations)
            stack.enter_context(self._exit())
            yield

    @contextmanager
    def _exit(self) -> Iterator[None]:
        before, self.target.exit = self.target.exit, self.operations.logits
        try:
            yield
        finally:
            self.target.exit = before

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, inputs: Any) -> None:
            if not self._stack:
                self.running = torch.is_grad_enabled()
            if self._call != self.target.calls:
                self._call, self.given = self.target.calls, 0
                self._steps.clear()
                self.operations.begin()
            self._stack.append((name, module))

        return enter

    def _leaving(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.left(module, inputs, output)
        self._stack.pop()
        self.running = self.running and bool(self._stack)

    def left(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """A module has run."""


def by_sample(values: Tensor, batch: int, axis: int | None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The values with the samples in the first dimension, and the way back.

    (B, ...) stays; (T, B, ...), (T B, ...) and (T, B N), in the order in which SpikingJelly flattens them, become
    (B, T, ...).

    Args:
        values: of any shape.
        batch: B.
        axis: the dimension whose size is a multiple of B; None takes the values as they are.
    """
    shape = values.shape
    if axis is None or (axis == 0 and shape[0] == batch):
        return values, lambda slope: slope
    if axis == 0:
        axis, values = 1, values.reshape(-1, batch, *shape[1:])
    elif shape[axis] != batch:
        values = values.reshape(*shape[:axis], batch, -1, *shape[axis + 1 :])
    return values.movedim(axis, 0), lambda slope: slope.movedim(0, axis).reshape(shape)


def others_than(axis: int, shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes of all dimensions but one."""
    return (*shape[:axis], *shape[axis + 1 :])
