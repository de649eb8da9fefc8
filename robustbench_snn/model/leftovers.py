"""What an earlier batch has left in a model: what looks like it, and whether the logits hear of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Holder = MutableMapping[str, Any]
FILLS = (0.0, 1e4, -1e4)
"""What is put in place of a leftover: rest, and what no membrane that is read could hide."""


@dataclass(frozen=True)
class Leftover:
    """An attribute or buffer that holds rows of an earlier batch.

    Attributes:
        holder: the dictionary that it is in, under ``name``.
        saved: as it was before a pass; ``now``, after it, has the rows of that pass.
        buffer: whether it is a module's buffer.
        single: whether a single row may be one.
    """

    holder: Holder
    name: str
    saved: Any
    now: Any
    buffer: bool
    single: bool

    def filled(self, value: float) -> Any:
        """The same with every leftover row gone, and this value in all rows of the later pass."""
        return _filled(self.saved, self.now, value, self._left)

    def found(self) -> bool:
        """Whether there is any such row."""
        return any(self._left(*pair) for pair in _pairs(self.saved, self.now))

    def _left(self, saved: Tensor, now: Tensor) -> bool:
        if not 0 < saved.ndim == now.ndim or saved.shape[1:] != now.shape[1:]:
            return False
        if len(saved) == 1:  # one image's, or what all start from, which is one value as a rule
            return self.single and len(now) > 1 and bool((saved != saved.flatten()[:1]).any())
        return len(saved) > 1 and (len(saved) != len(now) or not self.buffer) and bool(saved.any())


def leftovers(slots: Iterable[tuple[Holder, str, Any]], buffers: Set[int], *, told: bool) -> list[Leftover]:
    """What looks like an earlier batch's: tensors of several rows, not all zero, like those after a pass.

    A single row of several values, of which a pass makes more, looks like one image's.

    Args:
        slots: holder, name and value before a pass, of all that the pass has changed.
        buffers: ids of the holders that are buffers of modules. A buffer that keeps its shape is no leftover, such as
            a running mean.
        told: whether the model's user has put it at rest; a single row is then what it starts from.
    """
    found = [
        Leftover(holder, name, saved, holder.get(name), id(holder) in buffers, not told)
        for holder, name, saved in slots
    ]
    return [one for one in found if one.found()]


def heard(left: Iterable[Leftover], run: Callable[[], Tensor], restore: Callable[[], None]) -> bool:
    """Whether the logits follow from leftovers; spikes that a layer merely notes are no state.

    Args:
        left: the leftovers.
        run: one pass, to logits.
        restore: puts back what a pass has changed.
    """
    answers = []
    for value in FILLS:
        for one in left:
            one.holder[one.name] = one.filled(value)
        try:
            answers.append(run().nan_to_num())
        finally:
            restore()
    return not all(torch.equal(answers[0], answer) for answer in answers[1:])


def rows_apart(model: nn.Module, most: int) -> int:
    """A batch size, ``most`` or a little less, that no tensor has which the modules hold besides their weights."""
    weights = "_parameters", "_modules"
    held = {
        len(tensor)
        for module in model.modules()
        for name, value in vars(module).items()
        if name not in weights
        for tensor in _tensors(value)
    }
    return next((rows for rows in range(most, 0, -1) if rows not in held), most)


def _pairs(saved: Any, now: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Tensors in the same place before and after."""
    if isinstance(saved, Tensor) and isinstance(now, Tensor):
        yield saved, now
    elif isinstance(saved, dict) and isinstance(now, dict):
        for name in saved.keys() & now.keys():
            yield from _pairs(saved[name], now[name])
    elif isinstance(saved, list | tuple | deque) and isinstance(now, list | tuple | deque):
        for first, second in zip(saved, now, strict=False):
            yield from _pairs(first, second)


def _filled(saved: Any, now: Any, value: float, left: Callable[[Tensor, Tensor], bool]) -> Any:
    if isinstance(saved, Tensor):
        if not isinstance(now, Tensor) or not left(saved, now):
            return saved
        return torch.full_like(now, value if now.is_floating_point() else bool(value))
    if isinstance(saved, dict) and isinstance(now, dict):
        return {name: _filled(item, now.get(name), value, left) for name, item in saved.items()}
    if isinstance(saved, list | tuple | deque) and isinstance(now, list | tuple | deque):
        later = [*now, *[None] * len(saved)]
        items = [_filled(item, later[i], value, left) for i, item in enumerate(saved)]
        if hasattr(saved, "_fields"):  # a named tuple
            return type(saved)(*items)
        return deque(items, saved.maxlen) if isinstance(saved, deque) else type(saved)(items)
    return saved


def _tensors(values: Any, depth: int = 4) -> Iterator[Tensor]:
    """Tensors of one dimension or more in containers."""
    if isinstance(values, Tensor):
        if values.ndim:
            yield values
    elif depth and isinstance(values, dict | list | tuple | deque):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _tensors(value, depth - 1)
