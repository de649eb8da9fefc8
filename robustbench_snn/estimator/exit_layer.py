"""The last finite layer of a model whose answers are an argmax, a rounding or a squashing of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

CASTS = frozenset({"float", "double", "half", "bfloat16", "to", "type", "type_as"})
ARITHMETIC = frozenset(
    {"mul", "multiply", "add", "sub", "subtract", "rsub", "div", "divide", "true_divide", "matmul", "__rmul__",
     "__radd__", "__rsub__", "__mul__", "__add__", "__sub__", "__truediv__", "__matmul__"}
)  # fmt: skip
SQUASHING = frozenset({"softmax", "log_softmax", "sigmoid", "tanh", "round", "clamp", "floor", "nan_to_num"})
SHAPING = frozenset({"one_hot", "clone", "contiguous", "unsqueeze", "squeeze", "view", "reshape"})


class ExitLayer:
    """Follows (B, K) through squashings, and knows what each result was before them.

    All that is followed keeps the order of the classes, so that a loss may take what stood before instead.
    """

    def __init__(self) -> None:
        self._before: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def before(self, answer: Tensor) -> Tensor:
        """What it was before squashing; the answer itself if it was not squashed."""
        found: Tensor = self._before.get(answer, answer)
        return found

    def clear(self) -> None:
        """Forgets everything: a new forward pass."""
        self._before.clear()

    def follow(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, batch: int
    ) -> None:
        """One operation that the model made, with its result."""
        first = args[0] if args else None
        if not isinstance(result, Tensor) or not isinstance(first, Tensor):
            return
        if not result.ndim or len(result) != batch:
            return
        before = self._before.get(first, first)
        if name == "argmax" or (name in SQUASHING and result.ndim == 2 and result.shape[1] > 1):
            if first.ndim == 2 and before.requires_grad:
                self._before[result] = before
        elif name in ("scatter", "scatter_") and len(args) > 2 and args[2] in self._before:
            if self._before[args[2]].shape == result.shape:
                self._before[result] = self._before[args[2]]
        elif first in self._before:
            self._carry(func, name, args, kwargs, result)

    def cut(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Some rows of an answer, taken by an index."""
        if isinstance(args[0], Tensor) and args[0] in self._before and isinstance(result, Tensor):
            self._before[result] = func(self._before[args[0]], *args[1:], **kwargs)

    def _carry(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> None:
        before = self._before[args[0]]
        if name in CASTS or name in SHAPING:
            if result.ndim == before.ndim or not result.is_floating_point():
                self._before[result] = before
        elif name in ARITHMETIC and result.shape == before.shape and _constants(args[1:]):
            self._before[result] = func(before, *args[1:], **kwargs)


def _constants(values: tuple[Any, ...]) -> bool:
    return not any(isinstance(value, Tensor) and value.numel() > 1 for value in values)
