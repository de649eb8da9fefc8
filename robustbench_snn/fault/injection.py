"""The sites that a fault finds in a model, and the fault in force there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.fault.kinds import NEURONS, OUTPUTS, Fault, FaultName, LayerKind, stands_in
from robustbench_snn.fault.mismatch import applies, can_differ, mismatched
from robustbench_snn.fault.outputs import faulty_outputs
from robustbench_snn.fault.survey import Neurons, Survey
from robustbench_snn.fault.synapses import Synapses, faulty_synapses, synapses_of
from robustbench_snn.model.target import Target, lock_of
from robustbench_snn.randomness import SampleRandom


@dataclass(frozen=True)
class Sites:
    """Where one kind of fault can strike.

    Attributes:
        neurons: layers of neurons.
        synapses: layers of weights.
        beyond: names of layers that have such sites, out of reach.
    """

    neurons: tuple[Neurons, ...] = ()
    synapses: tuple[Synapses, ...] = ()
    beyond: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many sites there are."""
        return sum(layer.count for layer in self.neurons) + sum(one.parameter.numel() for one in self.synapses)


class Injection(Protocol):
    """A fault in force."""

    @property
    def hits(self) -> int:
        """How many sites are not as they were, known after a forward pass."""

    def begin(self) -> None:
        """To be called before each forward pass."""


def find_sites(
    target: Target, kind: FaultName, layers: LayerKind, found: Survey, images: Tensor, random: SampleRandom
) -> Sites:
    """The sites of a kind of fault in some layers of a model.

    Args:
        target: the model, frozen.
        kind: the fault.
        layers: where to look.
        found: the model's neurons.
        images: (P, C, H, W), for layers of neurons that have to be tried.
        random: one stream an image.

    Raises:
        UserError: if there is none: accuracy would be the clean one, and look like robustness.
    """
    if kind in NEURONS:
        neurons = [layer for layer in found.layers if _stands(layer, layers)]
        beyond = [name for name in found.beyond if stands_in(name, layers)]
        if kind not in OUTPUTS:
            neurons = [layer for layer in neurons if applies(layer, kind)]
            known = can_differ(target, neurons, kind, images, random)
            beyond += [layer.name for layer in neurons if layer.name not in known]
            neurons = [layer for layer in neurons if layer.name in known]
        sites = Sites(neurons=tuple(neurons), beyond=tuple(beyond))
    else:
        synapses, out_of_reach = synapses_of(target.model, layers)
        sites = Sites(synapses=tuple(synapses), beyond=tuple(out_of_reach))
    if not sites.count:
        raise UserError(f"hardware_faults: '{kind}' finds nothing to break {_why(kind, layers, found, sites)}")
    return sites


@contextmanager
def injected(target: Target, sites: Sites, fault: Fault) -> Iterator[Injection]:
    """Puts a fault in force while inside; nobody else runs the model then, and all is as before afterwards."""
    with lock_of(target.model):
        if fault.kind in OUTPUTS:
            with faulty_outputs(sites.neurons, fault) as outputs:
                yield outputs
        elif fault.kind in NEURONS:
            with mismatched(sites.neurons, fault, target.device) as neurons:
                yield _Settled(neurons)
        else:
            with faulty_synapses(sites.synapses, fault) as weights:
                yield _Settled(weights)


@dataclass(frozen=True)
class _Settled:
    """A fault that is the same in every forward pass."""

    hits: int

    def begin(self) -> None:
        """Nothing to do."""


def _stands(layer: Neurons, layers: LayerKind) -> bool:
    if layers in ("conv", "linear", "norm"):
        return layer.driver == layers
    return stands_in(layer.name, layers)


def _why(kind: FaultName, layers: LayerKind, found: Survey, sites: Sites) -> str:
    where = "in this model" if layers == "all" else f"in the layers '{layers}' of this model"
    if sites.beyond:
        return f"{where}: {', '.join(sites.beyond[:3])} cannot be reached; leave this fault out"
    if kind not in NEURONS:
        return f"{where}: no convolution or linear layer was found there" if layers != "norm" else f"{where}: no norms"
    if not found.layers:
        return f"{where}, which has no spiking neurons; leave the faults of neurons out, and keep those of synapses"
    if kind == "leak" and not any(applies(layer, kind) for layer in found.layers):
        return f"{where}, whose neurons have no leak; leave it out"
    return f"{where}: none of its {len(found.layers)} layers of neurons stands there; choose other layers"
