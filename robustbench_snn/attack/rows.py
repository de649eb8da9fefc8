"""Per-sample tensors of an attack that shrink with the active set."""

from __future__ import annotations

from torch import Tensor


class Rows:
    """Tensors by name, one row an active sample each.

    Example:
        >>> state = Rows(images=torch.zeros(3, 1, 2, 2), loss=torch.zeros(3))  # doctest: +SKIP
        >>> state.cut(answer.kept)  # doctest: +SKIP
        >>> state.loss  # doctest: +SKIP
    """

    def __init__(self, **tensors: Tensor) -> None:
        self._tensors = tensors

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["_tensors"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Tensor) -> None:
        if name == "_tensors":
            super().__setattr__(name, value)
        else:
            self._tensors[name] = value

    def cut(self, kept: Tensor) -> None:
        """Keeps only these rows."""
        for name, values in self._tensors.items():
            self._tensors[name] = values[kept]
