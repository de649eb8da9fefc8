"""Calls of autograd Functions, whoever wrote them, and another backward pass for each.

torch looks ``forward`` and ``backward`` of a Function up on its class at every call, so replacing them there reaches
an ``apply`` that was bound long ago too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getattr_static
from threading import RLock, local
from typing import Any, Protocol

import torch
from torch import Tensor

Function = type[torch.autograd.Function]
OURS = ("torch.", "robustbench_snn.")
"""Functions of these packages are what they say they are."""


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
