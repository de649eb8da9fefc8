r"""Thresholds and leaks that differ from neuron to neuron.

Each neuron i of a layer has, in place of the layer's threshold or membrane time constant c,

.. math:: c_i = c\,(1 + \rho\,\epsilon_i), \quad \epsilon_i \sim N(0, 1)

with the fault's rate as relative standard deviation rho. The factor is kept above :data:`LEAST`, and a time constant
above 1, where the leak of one step is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import MethodType
from typing import Any

import torch
from spikingjelly.activation_based.neuron import IFNode, ParametricLIFNode, SimpleIFNode
from torch import Tensor

from robustbench_snn.fault.kinds import Fault
from robustbench_snn.fault.survey import SPIKINGJELLY, Neurons
from robustbench_snn.model.fusing import KINDS, dynamics_of
from robustbench_snn.model.swapping import swapped
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom

LEAST = 0.01
LEAKLESS = (IFNode, SimpleIFNode)
ATTRIBUTES = {"threshold": "v_threshold", "leak": "tau"}

Factor = Callable[[torch.Size], Tensor]
"""Factors (1, ...) of the neurons of one sample, by their shape (...)."""


def applies(layer: Neurons, kind: str) -> bool:
    """Whether a layer has the constant at all; a layer of unknown making is taken to."""
    return not (kind == "leak" and type(layer.module) in LEAKLESS)


def can_differ(target: Target, layers: Sequence[Neurons], kind: str, images: Tensor, random: SampleRandom) -> set[str]:
    """Names of the layers whose neurons can be given constants of their own.

    SpikingJelly's LIF, PLIF and IF layers can. Another one can if it holds the constant as a number, ``v_threshold``
    or ``tau``, and the model's logits stay what they are when it gets a tensor of that number in its place.

    Args:
        target: the model, frozen.
        layers: to be looked at.
        kind: ``threshold`` or ``leak``.
        images: (P, C, H, W), to try on.
        random: one stream an image.
    """
    known = {layer.name for layer in layers if type(layer.module) in KINDS}
    with torch.no_grad():
        expected = target(images, random)
        for layer in layers:
            if layer.name not in known and _tries(layer, kind):
                try:
                    with _differing(layer, kind, lambda shape: torch.ones(1, *shape, device=target.device)):
                        found = target(images, random)
                except Exception:  # whatever its code does with a tensor where it had a number
                    continue
                if torch.allclose(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True):
                    known.add(layer.name)
    return known


@contextmanager
def mismatched(layers: Sequence[Neurons], fault: Fault, device: torch.device) -> Iterator[int]:
    """Gives each neuron of some layers a constant of its own while inside; all is as before afterwards.

    Args:
        layers: of those that :func:`can_differ` names.
        fault: ``threshold`` or ``leak``, its relative standard deviation, and the random numbers.
        device: where the model is.

    Yields:
        how many neurons are not what they were.
    """
    with ExitStack() as stack:
        for layer in layers if fault.rate else ():
            stack.enter_context(_differing(layer, fault.kind, _drawn(layer.name, fault, device)))
        yield sum(layer.count for layer in layers) if fault.rate else 0


def _drawn(name: str, fault: Fault, device: torch.device) -> Factor:
    made: dict[torch.Size, Tensor] = {}

    def factor(shape: torch.Size) -> Tensor:
        if shape not in made:
            normal = fault.random(f"{name} {tuple(shape)}").normal(*shape)
            made[shape] = (1.0 + fault.rate * normal).clamp_min(LEAST).to(device)
        return made[shape]

    return factor


def _tries(layer: Neurons, kind: str) -> bool:
    value = getattr(layer.module, ATTRIBUTES[kind], None)
    return isinstance(layer.module, SPIKINGJELLY) and isinstance(value, float) and len(layer.positions) == 1


@contextmanager
def _differing(layer: Neurons, kind: str, factor: Factor) -> Iterator[None]:
    module = layer.module
    if type(module) not in KINDS:
        name, (shape,) = ATTRIBUTES[kind], layer.positions
        values = getattr(module, name) * factor(shape)
        with swapped(module, name, values.clamp_min(1.0) if kind == "leak" else values):
            yield
        return

    def multi_step(neuron: Any, x_seq: Tensor) -> Tensor:
        return _run(neuron, x_seq, kind, factor(x_seq.shape[2:]))

    def single_step(neuron: Any, x: Tensor) -> Tensor:
        return multi_step(neuron, x[None])[0]

    with ExitStack() as stack:
        for name, method in (("multi_step_forward", multi_step), ("single_step_forward", single_step)):
            stack.enter_context(swapped(module, name, MethodType(method, module)))
        yield


def _run(neuron: Any, x_seq: Tensor, kind: str, factor: Tensor) -> Tensor:
    """All steps of a layer of LIF, PLIF or IF neurons, x_seq (T, B, ...), with constants (1, ...)."""
    (membrane,) = neuron.materialize_states((x_seq,), (neuron._memories["v"],), "m")
    dynamics, rate = dynamics_of(neuron), None
    if type(neuron) is ParametricLIFNode:
        rate = neuron.w.sigmoid()
    if kind == "threshold":
        dynamics = replace(dynamics, threshold=dynamics.threshold * factor)  # type: ignore[arg-type]
    elif rate is not None:
        rate = (rate / factor).clamp_max(1.0)
    else:
        dynamics = replace(dynamics, tau=(dynamics.tau * factor).clamp_min(1.0))  # type: ignore[arg-type]
    spikes, neuron._memories["v"], _ = dynamics.forward(x_seq, membrane, rate, len(x_seq))
    return spikes
