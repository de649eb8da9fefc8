"""Which faults there are, and in which layers they may strike.

The list is that of SpikeFI 1.3.0, a fault injector for spiking networks, without its code: neurons dead, saturated,
stuck and random; threshold and leak changed; synapses dead, saturated, perturbed and bit-flipped. Its refractory period
is left out: no neuron of this package, nor of SpikingJelly's LIF, PLIF and IF layers, has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from robustbench_snn.randomness import SampleRandom, key_of

OutputFault = Literal["dead", "saturated", "stuck", "random"]
Mismatch = Literal["threshold", "leak"]
SynapseFault = Literal[
    "synapse_dead", "synapse_saturated", "weight_noise", "bitflip_int8", "bitflip_float32", "int8", "int4"
]
FaultName = Literal[OutputFault, Mismatch, SynapseFault]

OUTPUTS: tuple[OutputFault, ...] = get_args(OutputFault)
MISMATCHES: tuple[Mismatch, ...] = get_args(Mismatch)
SYNAPSES: tuple[SynapseFault, ...] = get_args(SynapseFault)
NEURONS: tuple[FaultName, ...] = (*OUTPUTS, *MISMATCHES)
RATELESS: tuple[FaultName, ...] = ("int8", "int4")
"""Quantisation: every weight of the layers, once, with nothing drawn."""
RELATIVE: tuple[FaultName, ...] = ("threshold", "leak", "weight_noise")
"""Those that hit every site; their rate is a relative standard deviation, of the others the probability of a site."""

PlaceKind = Literal["encoder", "backbone", "attention", "mlp", "head"]
TypeKind = Literal["conv", "linear", "norm"]
LayerKind = Literal["all", PlaceKind, TypeKind]
PLACES: tuple[PlaceKind, ...] = get_args(PlaceKind)


def stands_in(name: str, layers: LayerKind) -> bool:
    """Whether a module of this dotted name stands in a part of the model; True where ``layers`` names no part."""
    return layers not in PLACES or layers in name.split(".")


@dataclass(frozen=True)
class Fault:
    """One draw of one fault.

    Attributes:
        kind: what breaks.
        rate: probability of each site, in [0, 1]; of :data:`RELATIVE` faults the relative standard deviation.
        layers: where.
        seed: of the evaluation.
        draw: number of this draw.
    """

    kind: FaultName
    rate: float = 0.0
    layers: LayerKind = "all"
    seed: int = 0
    draw: int = 0

    def random(self, place: str) -> SampleRandom:
        """The one stream of a place: it follows from the fault and the place, from no batch, device or order."""
        parts = self.seed, self.kind, self.layers, repr(float(self.rate)), self.draw, place
        return SampleRandom(torch.tensor([key_of("hardware_faults", *parts)]))

    def hits(self, place: str, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        """Which sites of a place are hit, each with probability ``rate``: bool, of the shape given, on the CPU."""
        return self.random(place).uniform(*shape)[0] < self.rate
