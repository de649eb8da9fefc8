"""SpikingJelly's LIF, PLIF and IF neurons on kernels over all steps, while a model runs: the same numbers, sooner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from spikingjelly._ops.surrogate import _surrogate_spec
from spikingjelly.activation_based.neuron import BaseNode, IFNode, LIFNode, ParametricLIFNode
from torch import Tensor, nn

from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.layer import Slopes, run
from robustbench_snn.kernels.native import unwatched
from robustbench_snn.kernels.slopes import BuiltIn

KINDS = (LIFNode, ParametricLIFNode, IFNode)
"""Layers of exactly these types; a subclass may compute what it likes."""


class GivesSlopes(ABC):
    """A surrogate function that says what its slope is."""

    @abstractmethod
    def slopes(self) -> Slopes | None:
        """The slopes of one call of its layer; None where it may not fire at u >= 0."""


@contextmanager
def fusing(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Runs a model's neurons on kernels over all steps while inside, or, not ``wanted``, on their own code.

    May be nested; every layer is as before afterwards, even on error. A layer that records its membranes, has a
    surrogate of somebody else's making, or is given another dtype than float32 runs its own code.
    """
    undo: list[tuple[dict[str, Any], str, Any]] = []
    for module in model.modules():
        if type(module) in KINDS:
            table = module.__dict__
            for name, method in _METHODS.items():
                found = table.get(name)
                if wanted and found is None:
                    table[name] = MethodType(method, module)
                    undo.append((table, name, None))
                elif not wanted and getattr(found, "__func__", None) is method:
                    undo.append((table, name, table.pop(name)))
    try:
        yield
    finally:
        for table, name, found in undo:
            if found is None:
                table.pop(name, None)
            else:
                table[name] = found


def _multi_step(neuron: BaseNode, x_seq: Tensor, *others: Any, **named: Any) -> Any:
    """SpikingJelly's ``multi_step_forward``."""
    slopes = None if others or named else _slopes(neuron, x_seq, 1)
    if slopes is None:
        return type(neuron).multi_step_forward(neuron, x_seq, *others, **named)
    return _run(neuron, x_seq, slopes)


def _single_step(neuron: BaseNode, x: Tensor, *others: Any, **named: Any) -> Any:
    """SpikingJelly's ``single_step_forward``."""
    slopes = None if others or named else _slopes(neuron, x, 0)
    if slopes is None:
        return type(neuron).single_step_forward(neuron, x, *others, **named)
    with unwatched():
        return _run(neuron, x[None], slopes)[0]


_METHODS = {"multi_step_forward": _multi_step, "single_step_forward": _single_step}


def _slopes(neuron: BaseNode, x: Any, lead: int) -> Slopes | None:
    """What stands for the derivative of the spikes of this call; None where it cannot be fused."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return None
    if type(x) not in (Tensor, nn.Parameter) or x.dtype != torch.float32 or x.layout != torch.strided:
        return None
    if x.ndim <= lead or not x.numel() or neuron.store_v_seq or neuron._neuron_precision is not None:
        return None
    function = neuron.surrogate_function
    if isinstance(function, GivesSlopes):
        return function.slopes()
    spec = _surrogate_spec(function)
    return None if spec is None else BuiltIn(*spec)


def _run(neuron: BaseNode, x_seq: Tensor, slopes: Slopes) -> Tensor:
    kept = neuron._memories["v"]
    with unwatched():
        if isinstance(kept, float):
            membrane = torch.full((), kept, dtype=x_seq.dtype, device=x_seq.device)
        else:
            (membrane,) = neuron.materialize_states((x_seq,), (kept,), "m")
        rate = neuron.w.sigmoid() if type(neuron) is ParametricLIFNode else None
        spikes, neuron._memories["v"] = run(x_seq, membrane, rate, dynamics_of(neuron), slopes)
    neuron.v_seq = None
    return spikes


def dynamics_of(neuron: BaseNode) -> Dynamics:
    """The constants of a layer of one of :data:`KINDS`."""
    kind = {LIFNode: "lif", ParametricLIFNode: "plif", IFNode: "if"}[type(neuron)]
    return Dynamics(
        kind=kind,  # type: ignore[arg-type]
        tau=float(neuron.tau) if kind == "lif" else 1.0,
        decay_input=bool(getattr(neuron, "decay_input", False)),
        threshold=neuron.v_threshold,
        reset=neuron.v_reset,
        detach_reset=neuron.detach_reset,
    )
