"""What modules keep between forward passes, wherever they keep it, and how it is put back to rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.leftovers import Holder, heard, leftovers
from robustbench_snn.model.neurons import reset as reset_spikingjelly

RESETS = ("reset", "reset_mem", "reset_states", "reset_state", "reset_hidden", "n_reset")
"""Methods by which libraries of spiking neurons put a layer back to rest: SpikingJelly, snnTorch, sinabs, BrainCog."""
_INNARDS = frozenset({*vars(nn.Module()), "_parameters", "_modules", "_buffers"})
_ABSENT = object()
_DEPTH = 4

Reset = Callable[[nn.Module], object]


@dataclass(frozen=True)
class RestingState:
    """Everything in a model that one of its forward passes changes, as it was before.

    Found by running the model once and looking at every attribute and buffer of every module, and at what lists,
    dictionaries and plain objects among them hold.
    """

    slots: tuple[tuple[Holder, str, Any], ...]

    @classmethod
    def find(cls, model: nn.Module, run: Callable[[], Tensor], reset: Reset | None = None) -> RestingState:
        """Runs the model, and puts it back.

        Args:
            model: looked at before and after.
            run: one forward pass, to logits that follow from the images and from what the model keeps.
            reset: puts the model at rest first; None takes the reset methods of known libraries where a membrane of
                an earlier batch is still there.

        Raises:
            UserError: if the logits hear of what an earlier batch left, or the model cannot be run.
        """
        reset_spikingjelly(model)
        if reset is not None:
            reset(model)
        before = _photograph(model)
        try:
            run()
        except RuntimeError as error:
            if reset is None and _call_resets(model):
                return cls.find(model, run, reset=_nothing)
            raise UserError(
                f"{type(model).__name__} cannot be run on a few images: {error}. Should it hold the membranes of an "
                "earlier batch, of another size, pass a function that puts it at rest, reset=lambda model: ..."
            ) from error
        found = cls(tuple(_changed(model, before)))
        told = reset not in (None, _nothing)
        left = leftovers(found.slots, {id(module._buffers) for module in model.modules()}, told=told)
        found.restore()
        if not left or not heard(left, run, found.restore):
            return found
        if reset is None and _call_resets(model):
            return cls.find(model, run, reset=_nothing)
        raise UserError(
            f"{type(model).__name__} still holds the membranes of an earlier batch ({left[0].name}): pass a function "
            "that puts it at rest, reset=lambda model: ..., or give a model that has not been run"
        )

    def restore(self) -> None:
        """Puts everything back; what a pass has made stays with whoever holds it."""
        for holder, name, saved in self.slots:
            if saved is _ABSENT:
                holder.pop(name, None)
            else:
                holder[name] = _copied(saved)


def _nothing(_model: nn.Module) -> None:
    """In place of a reset, after those of the libraries."""


def _call_resets(model: nn.Module) -> bool:
    """Calls what libraries reset their layers with; whether there was any."""
    called = False
    for module in model.modules():
        for name in RESETS:
            method = getattr(module, name, None)
            if callable(method):
                try:
                    method()
                except TypeError:  # it wants to know more than we do
                    continue
                called = True
                break
    return called


def _photograph(model: nn.Module) -> dict[tuple[int, str], tuple[Holder, Any]]:
    return {(id(holder), name): (holder, _copied(value)) for holder, name, value in _slots(model)}


def _changed(model: nn.Module, before: dict[tuple[int, str], tuple[Holder, Any]]) -> Iterator[tuple[Holder, str, Any]]:
    known = {id(holder) for holder, _ in before.values()}
    now = {(id(holder), name): (holder, value) for holder, name, value in _slots(model)}
    for key, (holder, value) in now.items():
        saved = before[key][1] if key in before else _ABSENT
        if saved is _ABSENT and id(holder) not in known and not _of_module(model, holder):
            continue  # inside an object that is itself new, and goes as a whole
        if saved is _ABSENT or not _same(saved, value):
            yield holder, key[1], saved
    for key, (holder, saved) in before.items():
        if key not in now and key[1] not in holder:
            yield holder, key[1], saved


def _of_module(model: nn.Module, holder: Holder) -> bool:
    return any(holder is vars(module) or holder is module._buffers for module in model.modules())


def _slots(model: nn.Module) -> Iterator[tuple[Holder, str, Any]]:
    """Every attribute and buffer that may hold state, with where it is held."""
    seen: set[int] = set()
    for module in model.modules():
        yield from ((module._buffers, name, value) for name, value in module._buffers.items())
        attributes = {name: value for name, value in vars(module).items() if name not in _INNARDS}
        for name, value in attributes.items():
            yield vars(module), name, value
            yield from _inside(value, seen, 0)


def _inside(value: Any, seen: set[int], depth: int) -> Iterator[tuple[Holder, str, Any]]:
    """What plain objects hold, which a copy of a list or dictionary would only refer to."""
    if depth > _DEPTH or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict | list | tuple | deque | set):
        for item in list(value.values() if isinstance(value, dict) else value):
            yield from _inside(item, seen, depth + 1)
    elif _plain(value):
        for name, item in list(vars(value).items()):
            yield vars(value), name, item
            yield from _inside(item, seen, depth + 1)


def _plain(value: Any) -> bool:
    """An object of somebody's own class, which is no module and not torch's."""
    kind = type(value)
    return (
        hasattr(value, "__dict__")
        and not isinstance(value, nn.Module | Tensor | type)
        and not callable(value)
        and kind.__module__.partition(".")[0] not in ("torch", "builtins", "numpy", "weakref", "threading")
    )


def _copied(value: Any) -> Any:
    """A copy as deep as containers go; tensors are copied without their history."""
    if isinstance(value, nn.Parameter):
        return value
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (list, tuple, set):
        return type(value)(_copied(item) for item in value)
    if isinstance(value, deque):
        return deque((_copied(item) for item in value), value.maxlen)
    if type(value) is dict:
        return {name: _copied(item) for name, item in value.items()}
    return value


def _same(saved: Any, value: Any) -> bool:
    if isinstance(saved, Tensor) or isinstance(value, Tensor):
        if not (isinstance(saved, Tensor) and isinstance(value, Tensor)) or saved.shape != value.shape:
            return False
        return saved.dtype == value.dtype and torch.equal(saved.nan_to_num(), value.detach().nan_to_num())
    if type(saved) is not type(value):
        return False
    if isinstance(value, list | tuple | deque):
        return len(saved) == len(value) and all(_same(a, b) for a, b in zip(saved, value, strict=True))
    if isinstance(value, dict):
        return list(saved) == list(value) and all(_same(saved[name], value[name]) for name in value)
    if isinstance(value, int | float | str | bool | set) or value is None:
        return bool(saved == value)
    return saved is value
