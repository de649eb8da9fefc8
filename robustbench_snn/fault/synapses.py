"""Where a model has its synapses: the weights of convolutions and linear layers, and those of its norms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from robustbench_snn.fault.kinds import Fault, LayerKind, TypeKind, stands_in
from robustbench_snn.fault.weights import faulty

CONV = (nn.modules.conv._ConvNd,)
LINEAR = (nn.Linear, nn.Bilinear, nn.MultiheadAttention)
NORM = (
    *(nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)
_WEIGHTS = ("weight", "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True)
class Synapses:
    """The weights of one layer.

    Attributes:
        name: of the parameter, dotted.
        parameter: float32.
    """

    name: str
    parameter: nn.Parameter


def type_of(module: nn.Module) -> TypeKind | None:
    """Whether a module is a convolution, a linear layer (attention of torch's included) or a norm."""
    kinds: Sequence[tuple[TypeKind, tuple[type[nn.Module], ...]]] = (("conv", CONV), ("linear", LINEAR), ("norm", NORM))
    return next((name for name, types in kinds if isinstance(module, types)), None)


def synapses_of(model: nn.Module, layers: LayerKind) -> tuple[list[Synapses], list[str]]:
    """The weights of some layers of a model, and the names of layers whose weights are out of reach.

    Out of reach are weights that are computed from others in the forward pass (``torch.nn.utils.parametrize``, weight
    norm) or are not float32. Biases are left alone, and so is what belongs to no such layer: position embeddings,
    masks. The weights of norms count only where ``layers`` is ``norm``: they are no synapses of their own.

    Args:
        model: looked through.
        layers: which of them.
    """
    found: dict[int, Synapses] = {}
    beyond: list[str] = []
    for name, module in model.named_modules():
        kind = type_of(module)
        wanted = ("norm",) if layers == "norm" else ("conv", "linear") if stands_in(name, layers) else ()
        if kind not in wanted or (layers in ("conv", "linear") and kind != layers):
            continue
        held = [(key, module._parameters[key]) for key in _WEIGHTS if module._parameters.get(key) is not None]
        for key, parameter in held:
            if parameter is not None and parameter.dtype == torch.float32:
                found.setdefault(id(parameter), Synapses(f"{name}.{key}" if name else key, parameter))
            else:
                beyond.append(name)
        if not held and kind != "norm":  # a norm may have no weights
            beyond.append(name)
    return list(found.values()), beyond


@contextmanager
def faulty_synapses(synapses: Sequence[Synapses], fault: Fault) -> Iterator[int]:
    """Gives layers faulty weights while inside; the very same tensors come back afterwards, even on error.

    Yields:
        how many weights are not what they were.
    """
    changed = 0
    with ExitStack() as stack:
        for one in synapses:
            made, hits = faulty(one.parameter, fault, one.name)
            stack.callback(setattr, one.parameter, "data", one.parameter.data)
            one.parameter.data = torch.empty_like(one.parameter).copy_(made)  # laid out in memory as before
            changed += hits
        yield changed
