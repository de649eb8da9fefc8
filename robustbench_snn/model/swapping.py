"""How a part of a module is swapped and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def swapped(owner: nn.Module, name: str, value: object) -> Iterator[None]:
    """Gives a module another attribute while inside; the old one, or its absence, comes back even on error."""
    kept = {kind: table[name] for kind in ("_modules", "__dict__") if name in (table := getattr(owner, kind))}
    if not kept and not hasattr(type(owner), name):
        yield  # a neuron without this part
        return
    for kind in kept:
        del getattr(owner, kind)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
        for kind, old in kept.items():
            getattr(owner, kind)[name] = old
