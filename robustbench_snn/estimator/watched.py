"""Which neurons fire by their surrogate function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn


class _Watched(dict[str, "nn.Module | None"]):
    """The parts of a layer of neurons, counting how often it asks for its surrogate function.

    Some of SpikingJelly's layers call it, others only look up its slope: asking for it is what all have in common.
    """

    asked = 0

    def __getitem__(self, name: str) -> nn.Module | None:
        self.asked += name == "surrogate_function"
        return super().__getitem__(name)


@contextmanager
def watching(model: nn.Module, neurons: Sequence[nn.Module]) -> Iterator[Callable[[], list[str]]]:
    """Watches which layers of neurons ask for their surrogate function while inside.

    Yields:
        A function that names those that asked.
    """
    kept: dict[str, tuple[nn.Module, dict[str, nn.Module | None]]] = {}
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if any(module is neuron for neuron in neurons):
                kept[name] = module, module._modules
        watched = {name: _Watched(parts) for name, (_, parts) in kept.items()}
        for name, (module, parts) in kept.items():
            hooks.callback(module.__dict__.__setitem__, "_modules", parts)
            module.__dict__["_modules"] = watched[name]
        yield lambda: [name for name, parts in watched.items() if parts.asked]
