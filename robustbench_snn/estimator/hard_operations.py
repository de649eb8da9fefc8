"""Steps that plain tensor operations make: comparisons, signs, roundings, draws; and cuts in the path of the gradient.

A torch function mode sees every call while a model runs. Values never change; what changes is what the backward
pass makes of them (BPDA, Athalye et al., 2018, arXiv:1802.00420).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from robustbench_snn.estimator.exit_layer import ARITHMETIC, CASTS, ExitLayer
from robustbench_snn.estimator.own_reset import OwnReset
from robustbench_snn.model.coding_gradients import replace_gradient
from robustbench_snn.model.target import Through

GREATER = frozenset({"ge", "gt", "greater", "greater_equal", "__ge__", "__gt__"})
LESS = frozenset({"le", "lt", "less", "less_equal", "__le__", "__lt__"})
ROUNDING = frozenset({"round", "floor", "ceil", "trunc", "fix", "bernoulli"})
IN_PLACE = frozenset({"add_", "sub_", "mul_", "__iadd__", "__isub__", "__imul__"})
NEGATIONS = frozenset({"logical_not", "bitwise_not", "__invert__"})
DRAWS = frozenset({"rand", "rand_like"})
LEAVES = frozenset({"numpy", "__array__", "tolist", "item", "__float__", "__int__", "__index__", "__bool__"})
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]
_GRAD_MODE = torch._C._set_grad_enabled


class Rule(Protocol):
    """Who decides what a step's slope is."""

    @property
    def running(self) -> bool:
        """Whether the model is running now, with a gradient wanted."""

    @property
    def through(self) -> Through:
        """Whether what cuts the gradient is passed through."""

    @property
    def batch(self) -> int:
        """Samples in this forward pass."""

    def met(self, kind: str, value: Tensor, result: Any, depends: bool) -> None:
        """An operation that steps; ``depends`` says whether a gradient by its input ``value`` is recorded."""

    def slope(self, membrane: Tensor) -> Tensor:
        """What stands for the derivative of a spike by u, of any shape."""


class _Sloped(torch.autograd.Function):
    """A known value, with a given slope by u."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, membrane: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        return None, grads[0] * ctx.saved_tensors[0], None


class HardOperations(TorchFunctionMode):
    """Gives steps of tensor operations a slope while the model of a rule runs.

    Args:
        rule: decides and is told.

    Attributes:
        cuts: how often something that cuts the gradient was passed through.
        recording: whether the model lets its operations be recorded, or has said ``no_grad``.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.cuts = 0
        self.recording = True
        self._steps: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # bool tensor: u
        self._drawn: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # uniform random numbers
        self._exit = ExitLayer()
        self.resets = OwnReset()

    def logits(self, answer: Tensor) -> Tensor:
        """The last finite layer before a rounding, argmax or squashing at the exit; else the answer."""
        return self._exit.before(answer)

    def begin(self) -> None:
        """A new forward pass."""
        self.recording = True
        self._steps.clear()
        self._drawn.clear()
        self._exit.clear()
        self.resets.clear()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if not self.rule.running:
            result = func(*args, **kwargs)
            if name == "__getitem__":  # the target cuts padding off
                self._exit.cut(func, args, kwargs, result)
            return result
        if func is _GRAD_MODE and args:
            return self._grad_mode(func, bool(args[0]))
        if self.rule.through and (handled := self._pass(func, name, args, kwargs)) is not NotImplemented:
            return handled
        handler = _HANDLERS.get(name)
        result = func(*args, **kwargs) if handler is None else handler(self, func, name, args, kwargs)
        self._exit.follow(func, name, args, kwargs, result, self.rule.batch)
        return result

    # What cuts the gradient

    def _grad_mode(self, func: Any, wanted: bool) -> Any:
        if self.rule.through and not wanted:
            self.cuts += 1
            return None
        self.recording = wanted
        return func(wanted)

    def _pass(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = args[0] if args else None
        if not isinstance(first, Tensor) or not first.requires_grad:
            return NotImplemented
        if name in LEAVES:
            return func(first.detach(), *args[1:], **kwargs)
        if name not in ("detach", "detach_", "register_hook") and func != _DATA:
            return NotImplemented
        if name != "register_hook" and self.rule.through == Through.VALUES and zeros_and_ones(first):
            return NotImplemented
        self.cuts += 1
        if name == "register_hook":
            return RemovableHandle(OrderedDict())
        return first if name == "detach_" else first.view_as(first)

    # What steps

    def _compare(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        first: Any = args[0]
        second: Any = args[1] if len(args) > 1 else kwargs.get("other")
        above, below = (first, second) if name in GREATER else (second, first)
        if _floating(first) or _floating(second):
            depends = torch.is_grad_enabled() and (_needs(first) or _needs(second))
            self.rule.met("comparison", first if _floating(first) else second, result, depends)
            if depends and isinstance(result, Tensor):
                drawn = any(isinstance(value, Tensor) and value in self._drawn for value in (first, second))
                self._steps[result] = (above - below, drawn)
                if isinstance(first, Tensor) and not drawn:
                    self.resets.fired(result, first)
        return result

    def _cast(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if isinstance(args[0], Tensor) and args[0] in self._steps and _floating(result):
            return self._fired(result, args[0])
        self.resets.follow(args, result)
        return result

    def _fired(self, value: Tensor, mask: Tensor) -> Tensor:
        membrane, drawn = self._steps[mask]
        membrane = membrane.expand_as(value) if membrane.shape != value.shape else membrane
        if drawn:  # a Bernoulli draw with probability u: its mean is u, and so is its slope
            return replace_gradient(value, membrane.to(value.dtype))
        fired: Tensor = _Sloped.apply(value.detach(), membrane.to(value.dtype), self.rule.slope(membrane.detach()))
        self.resets.carry(mask, fired)
        return fired

    def _change(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return func(*self._without_resets(args), **kwargs)

    def _without_resets(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.detach() if self.resets.resets(value, args) else value for value in args)

    def _calculate(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args = self._without_resets(args)
        result = self._calculated(func, args, kwargs)
        self.resets.follow(args, result)
        return result

    def _calculated(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if any(isinstance(value, Tensor) and value in self._steps for value in args):
            result = func(*args, **kwargs)
            if not _floating(result):
                return result
            args = tuple(
                self._fired(value.to(result.dtype), value)
                if isinstance(value, Tensor) and value in self._steps
                else value
                for value in args
            )
        return func(*args, **kwargs)

    def _choose(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        mask = args[0]
        if name != "where" or len(args) != 3 or not (isinstance(mask, Tensor) and mask in self._steps):
            return result
        if self.resets.resets(mask, args):
            return result
        if not _floating(result):
            return result
        yes, no = (value.detach() if isinstance(value, Tensor) else value for value in args[1:])
        fired = self._fired(mask.to(result.dtype), mask)
        return replace_gradient(result.detach(), result + fired * (yes - no))

    def _negate(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if args[0] in self._steps:
            membrane, drawn = self._steps[args[0]]
            self._steps[result] = (-membrane, drawn)
            self.resets.carry(args[0], result)
        return result

    def _straight(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if _floating(args[0]) and _floating(result):
            depends = torch.is_grad_enabled() and args[0].requires_grad
            self.rule.met("rounding", args[0], result, depends)
            if depends and result.shape == args[0].shape:
                return replace_gradient(result.detach(), args[0])
        return result

    def _step(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if _floating(args[0]):
            depends = torch.is_grad_enabled() and args[0].requires_grad
            self.rule.met("comparison", args[0], result, depends)
            if depends:
                height = 2.0 if name in ("sign", "sgn") else 1.0
                slope = height * self.rule.slope(args[0].detach())
                fired: Tensor = _Sloped.apply(result.detach(), args[0], slope)
                self.resets.fired(fired, args[0])
                return fired
        return result

    def _draw(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        self._drawn[result] = True
        return result


def zeros_and_ones(values: Tensor) -> bool:
    """Whether every element is 0 or 1."""
    return bool(((values == 0) | (values == 1)).all())


def _floating(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _needs(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


_Handler = Callable[[HardOperations, Any, str, tuple[Any, ...], dict[str, Any]], Any]
_HANDLERS: Mapping[str, _Handler] = {
    **dict.fromkeys(GREATER | LESS, HardOperations._compare),
    **dict.fromkeys(CASTS, HardOperations._cast),
    **dict.fromkeys(ARITHMETIC, HardOperations._calculate),
    **dict.fromkeys(IN_PLACE, HardOperations._change),
    **dict.fromkeys(ROUNDING, HardOperations._straight),
    **dict.fromkeys(NEGATIONS, HardOperations._negate),
    **dict.fromkeys(DRAWS, HardOperations._draw),
    **dict.fromkeys(("sign", "sgn", "heaviside"), HardOperations._step),
    "where": HardOperations._choose,
}
