"""Neurons whose backward pass over all steps is replaced, in step mode m and s."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robustbench_snn.estimator.surrogate import SteppedSpike
from robustbench_snn.model.swapping import swapped


@dataclass
class TimeRecord:
    """What one forward pass of one layer of neurons left for its backward pass.

    Attributes:
        gain: how much of the input current reaches the membrane in a step: 1/tau with decayed input, else 1.
        leak: share of the membrane potential kept from one step to the next, 1 - 1/tau.
        threshold: firing threshold.
        current: sum of the input currents over the steps, (B, ...).
        spikes: number of spikes of each neuron, (B, ...).
        membranes: u = membrane potential - threshold of each step, [(B, ...)], where asked for.
        steps: T.
    """

    gain: float = 1.0
    leak: float = 1.0
    threshold: float = 1.0
    current: Tensor | None = None
    spikes: Tensor | None = None
    membranes: list[Tensor] = field(default_factory=list)
    steps: int = 0

    @classmethod
    def of(cls, neuron: nn.Module) -> TimeRecord:
        """An empty record with the constants of a LIF, PLIF or IF neuron."""
        threshold = float(getattr(neuron, "v_threshold", 1.0))
        if isinstance(weight := getattr(neuron, "w", None), Tensor):  # PLIF: 1/tau = sigmoid(w)
            rate = float(weight.detach().sigmoid())
        elif (tau := getattr(neuron, "tau", None)) is not None:
            rate = 1.0 / float(tau)
        else:
            return cls(1.0, 1.0, threshold)
        return cls(rate if getattr(neuron, "decay_input", True) else 1.0, 1.0 - rate, threshold)

    def add(self, current: Tensor, spikes: Tensor) -> None:
        """Notes steps, (T, B, ...)."""
        self.current = current.sum(0) if self.current is None else self.current + current.sum(0)
        self.spikes = spikes.sum(0) if self.spikes is None else self.spikes + spikes.sum(0)
        self.steps += len(spikes)

    def note(self, membrane: Tensor) -> Tensor:
        """Notes u of the next step, and gives it back."""
        self.membranes.append(membrane)
        return membrane

    @property
    def mean_current(self) -> Tensor:
        """Mean input current, (B, ...), in units where the membrane is v = leak v + x and the threshold is 1."""
        assert self.current is not None
        return self.current * (self.gain / (self.steps * self.threshold))

    @property
    def fired(self) -> Tensor:
        """Whether each neuron fired at all, bool (B, ...)."""
        assert self.spikes is not None
        return self.spikes > 0


class TemporalBackward(ABC):
    """A rule for the gradient of a layer's input current."""

    needs_membrane: ClassVar[bool] = False

    @abstractmethod
    def input_gradient(self, record: TimeRecord, gradient: Tensor, first: int) -> Tensor:
        """Gradient by the input currents of the steps from ``first`` on.

        In step mode s the backward pass meets the steps one by one, last first, so the gradients of earlier spikes
        are not known yet; only the first row of what is returned is then used.

        Args:
            record: the whole forward pass.
            gradient: by the spikes of the steps first, ..., T - 1, (T - first, B, ...).
            first: 0 in step mode m.
        """


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, spikes: Tensor, rule: TemporalBackward, record: TimeRecord) -> Tensor:
        ctx.rule, ctx.record = rule, record
        return spikes.view_as(spikes)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.rule.input_gradient(ctx.record, grads[0], 0), None, None, None


class _Step(torch.autograd.Function):
    """One step; ``token`` carries the order of the steps and, backwards, nothing else."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, token: Tensor, spikes: Tensor, walk: _Walk, step: int
    ) -> tuple[Tensor, Tensor]:
        ctx.walk, ctx.step = walk, step
        return spikes.view_as(spikes), token.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        later = ctx.walk.later
        later.insert(0, grads[0])
        gradient = ctx.walk.rule.input_gradient(ctx.walk.record, torch.stack(later), ctx.step)[0]
        return gradient, torch.zeros_like(grads[1]), None, None, None


@dataclass
class _Walk:
    """One pass in step mode s; no tensor of the graph, whose nodes hold it: nothing would ever free such a circle."""

    rule: TemporalBackward
    record: TimeRecord
    later: list[Tensor] = field(default_factory=list)


@contextmanager
def replaced_backward(neuron: nn.Module, rule: TemporalBackward) -> Iterator[None]:
    """Runs a layer's own forward, and the rule's backward, while inside."""
    forward: Callable[..., Tensor] = neuron.forward
    reset: Callable[[], None] = neuron.reset  # type: ignore[assignment]
    walk: _Walk | None = None
    token: Tensor | None = None

    def run(current: Tensor, record: TimeRecord) -> Tensor:
        with torch._C.DisableTorchFunction(), torch.no_grad(), ExitStack() as stack:
            if rule.needs_membrane:
                stack.enter_context(swapped(neuron, "surrogate_function", SteppedSpike(lambda u, step: record.note(u))))
            return forward(current.detach())

    def replaced(current: Tensor) -> Tensor:
        nonlocal walk, token
        if getattr(neuron, "step_mode", "m") == "m":
            record = TimeRecord.of(neuron)
            spikes = run(current, record)
            record.add(current.detach(), spikes)
            whole: Tensor = _Whole.apply(current, spikes, rule, record)
            return whole
        if walk is None:
            walk, token = _Walk(rule, TimeRecord.of(neuron)), current.new_zeros(()).requires_grad_()
        spikes = run(current, walk.record)
        step = walk.record.steps
        walk.record.add(current.detach()[None], spikes[None])
        one: Tensor
        one, token = _Step.apply(current, token, spikes, walk, step)
        return one

    def rest() -> None:
        nonlocal walk, token
        walk = token = None
        reset()

    with swapped(neuron, "forward", replaced), swapped(neuron, "reset", rest):
        yield
