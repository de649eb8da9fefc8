"""Which spikes reset the membrane that they were made of.

A reset written into the graph, such as ``v = v - spike`` or ``v = v * (1 - spike)``, carries a slope that was chosen
for the way to the next layer back into the membrane too. Training often leaves it there; a replaced slope, sharper
than the one that the model was trained with, is kept out, as SpikingJelly's ``detach_reset`` does.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


class OwnReset:
    """Follows membranes and their spikes through scalings and shifts by constants."""

    def __init__(self) -> None:
        self._source: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # v - threshold: what v is known by
        self._fired: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # spikes: what their membrane is known by

    def clear(self) -> None:
        """Forgets everything: a new forward pass."""
        self._source.clear()
        self._fired.clear()

    def fired(self, spikes: Tensor, membrane: Tensor) -> None:
        """Spikes, or a mask of them, that a membrane made."""
        self._fired[spikes] = self._known(membrane)

    def carry(self, spikes: Tensor, result: Tensor) -> None:
        """Spikes in another form."""
        if spikes in self._fired:
            self._fired[result] = self._fired[spikes]

    def follow(self, args: tuple[Any, ...], result: Any) -> None:
        """One calculation that the model made, with its result."""
        tensors = [value for value in args if isinstance(value, Tensor) and value.requires_grad and value.ndim]
        if len(tensors) != 1 or not isinstance(result, Tensor) or result.shape != tensors[0].shape:
            return
        if tensors[0] in self._fired:
            self._fired[result] = self._fired[tensors[0]]
        else:
            self._source[result] = self._known(tensors[0])

    def resets(self, value: Any, others: tuple[Any, ...]) -> bool:
        """Whether ``value`` says where spikes are, and one of the others is the membrane that made them."""
        if not isinstance(value, Tensor) or value not in self._fired:
            return False
        source = self._fired[value]
        return any(self._known(other) is source for other in others if isinstance(other, Tensor) and other is not value)

    def _known(self, membrane: Tensor) -> object:
        """An object that stands for a membrane, the same for all that differs from it by constants."""
        if membrane not in self._source:
            self._source[membrane] = object()
        return self._source[membrane]
