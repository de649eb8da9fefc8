"""Spikes that autograd Functions make, whoever wrote them: how they are recognised, and how their slope is replaced.

torch looks ``forward`` and ``backward`` of a Function up on its class at every call, so replacing them there reaches
an ``apply`` that was bound long ago too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getattr_static
from threading import RLock, local
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

Function = type[torch.autograd.Function]
Step = Literal["u >= 0", "u > 0", "round", "floor", "divide"]
OURS = ("torch.", "robustbench_snn.")
"""Functions of these packages are what they say they are."""


@dataclass(frozen=True)
class Firing:
    """How a Function's output follows from its arguments: a Heaviside step, or a staircase of several.

    Attributes:
        argument: position of the membrane potential among the arguments.
        threshold: position of what is subtracted from it, if anything.
        step: where it steps; ``round`` and ``floor`` count levels 0, 1, ..., up to the largest seen, and so does
            ``divide``, how many thresholds fit into the membrane potential.
    """

    argument: int
    threshold: int | None
    step: Step

    def membrane(self, arguments: Sequence[Any]) -> Tensor:
        """U = membrane potential - threshold."""
        potential: Tensor = arguments[self.argument].detach()
        return potential if self.threshold is None else potential - arguments[self.threshold]

    def explains(self, arguments: Sequence[Any], output: Tensor) -> bool:
        """Whether the output is this function of the arguments, in every element."""
        u = self.membrane(arguments)
        if u.shape != output.shape:
            return False
        match self.step:
            case "u >= 0":
                spikes = (u >= 0).to(output.dtype)
            case "u > 0":
                spikes = (u > 0).to(output.dtype)
            case _:
                spikes = self._levels(arguments, u).clamp_min(0.0).clamp_max(float(output.max()))
        return bool(torch.equal(spikes, output))

    def _levels(self, arguments: Sequence[Any], u: Tensor) -> Tensor:
        if self.step == "divide":
            return torch.div(arguments[self.argument].detach(), arguments[self.threshold], rounding_mode="trunc")  # type: ignore[index]
        return u.round() if self.step == "round" else u.floor()

    def slope(self, arguments: Sequence[Any], output: Tensor, derivative: Callable[[Tensor], Tensor]) -> Tensor:
        """What stands for the output's derivative by u: that of the nearest step of a staircase.

        One term, whose place follows from the element alone: a sum over all steps would have as many terms as the
        batch's largest output.
        """
        u = self.membrane(arguments)
        if self.step in ("u >= 0", "u > 0"):
            return derivative(u)
        height = arguments[self.threshold] if self.step == "divide" else 1.0  # type: ignore[index]
        above = u if self.step == "divide" else u - (0.5 if self.step == "round" else 1.0)
        nearest = (above / height).round().minimum(output).maximum((output - 1.0).clamp_min(0.0))
        return derivative(above - nearest * height)


def firings(arguments: Sequence[Any], output: object) -> set[Firing]:
    """Every firing that explains one call of a Function."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return set()
    tensors = [i for i, value in enumerate(arguments) if _floating(value) and value.shape == output.shape]
    if not tensors or not output.numel():
        return set()
    first = tensors[0]
    if torch.equal(arguments[first].detach(), output.detach()):
        return set()  # given back as it came
    others = [i for i, value in enumerate(arguments) if i > first and (_floating(value) or _number(value))]
    values = output.detach().unique() if output.numel() < 1 << 22 else output.detach().flatten()[: 1 << 20].unique()
    if len(values) > 64 or not torch.equal(values, values.round()):
        return set()
    binary = bool(((values == 0) | (values == 1)).all())
    single: tuple[Step, ...] = ("u >= 0", "u > 0") if binary else ()
    several: tuple[Step, ...] = ("round", "floor")  # of one level, too: another call may have more
    found = {Firing(first, threshold, step) for threshold in (None, *others) for step in (*single, *several)}
    found |= {Firing(first, threshold, "divide") for threshold in others}
    return {firing for firing in found if _safely(firing, arguments, output.detach())}


def _floating(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _safely(firing: Firing, arguments: Sequence[Any], output: Tensor) -> bool:
    try:
        return firing.explains(arguments, output)
    except RuntimeError:  # an argument that does not broadcast is no threshold
        return False


@dataclass(frozen=True)
class Replacement:
    """Another backward pass for one call of a Function.

    Attributes:
        argument: position of the argument whose gradient is replaced.
        gradient: the gradient by the output to that by this argument.
        alone: the other arguments get none; else they keep their own.
    """

    argument: int
    gradient: Callable[[Tensor], Tensor]
    alone: bool = False


class Observer(Protocol):
    """What is told of every call of a Function."""

    def called(self, function: Function, arguments: Sequence[Any], output: Any) -> Replacement | None:
        """One call; returns another backward pass for it, or None to leave it alone."""


class _Active(local):
    observer: Observer | None = None


_active = _Active()
_lock = RLock()
_patched: dict[Function, tuple[int, dict[str, Any]]] = {}


def functions() -> list[Function]:
    """All autograd Functions that are defined now, but for torch's and this package's."""
    found: list[Function] = []
    stack: list[type] = list(torch.autograd.Function.__subclasses__())
    while stack:
        kind = stack.pop()
        stack += kind.__subclasses__()
        if not f"{kind.__module__}.".startswith(OURS):
            found.append(kind)
    return found


@contextmanager
def observed(kinds: Iterable[Function], observer: Observer) -> Iterator[None]:
    """Tells the observer of every call that this thread makes of these Functions; all is restored, even on error."""
    kinds = list(kinds)
    with _lock:
        for kind in kinds:
            count, kept = _patched.get(kind) or (0, _patch(kind))
            _patched[kind] = count + 1, kept
    before, _active.observer = _active.observer, observer
    try:
        yield
    finally:
        _active.observer = before
        with _lock:
            for kind in kinds:
                count, kept = _patched.pop(kind)
                if count > 1:
                    _patched[kind] = count - 1, kept
                else:
                    _restore(kind, kept)


def _patch(kind: Function) -> dict[str, Any]:
    apart = getattr_static(kind, "setup_context") is not getattr_static(torch.autograd.Function, "setup_context")
    names = ("setup_context", "backward") if apart else ("forward", "backward")
    kept = {name: vars(kind).get(name) for name in names}
    forward, backward = _original(getattr(kind, names[0])), _original(kind.backward)

    def ask(context: Any, arguments: Sequence[Any], output: Any) -> None:
        observer = _active.observer
        if observer is not None and (replacement := observer.called(kind, arguments, output)) is not None:
            context.replacement = replacement

    def told_forward(context: Any, *arguments: Any) -> Any:
        output = forward(context, *arguments)
        ask(context, arguments, output)
        return output

    def told_setup(context: Any, inputs: Sequence[Any], output: Any) -> Any:
        result = forward(context, inputs, output)
        ask(context, inputs, output)
        return result

    def told_backward(context: Any, *gradients: Any) -> Any:
        replacement: Replacement | None = getattr(context, "replacement", None)
        if replacement is None:
            return backward(context, *gradients)
        wanted, place = context.needs_input_grad, replacement.argument
        others = not replacement.alone and any(needed for index, needed in enumerate(wanted) if index != place)
        found = list(_tuple(backward(context, *gradients))) if others else [None] * len(wanted)
        found[place] = replacement.gradient(gradients[0]) if wanted[place] else None
        return tuple(found)

    told_forward.original = told_setup.original = forward  # type: ignore[attr-defined]
    told_backward.original = backward  # type: ignore[attr-defined]
    setattr(kind, names[0], staticmethod(told_setup if apart else told_forward))
    setattr(kind, "backward", staticmethod(told_backward))  # noqa: B010 - mypy knows it as a method
    return kept


def _original(method: Any) -> Any:
    """What a class inherits from one that is being observed itself."""
    return getattr(method, "original", method)


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _restore(kind: Function, kept: dict[str, Any]) -> None:
    for name, value in kept.items():
        if value is None:
            delattr(kind, name)
        else:
            setattr(kind, name, value)
