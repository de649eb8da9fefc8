"""Operations and energy of one inference, by SpikingJelly's counters and by the formula of the literature.

The counters look at values: a layer's input counts as spikes only if all its values are 0 or 1. Tokens that hold 2
(the sum of two spikes, where shortcuts add spikes) make that layer's work multiplications. So that this does not
depend on who shares a batch, images are counted one at a time.

Neurons are left out of MAC and AC, because what they count as depends on the kernel that runs them (a fused one is
not seen at all); their cost is the traffic of their state. So is batch norm, which folds into the weights before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from spikingjelly.activation_based import op_counter
from spikingjelly.activation_based.neuron import BaseNode
from torch import Tensor, nn

from robustbench_snn.model.target import Target

PJ_PER_MAC = 4.6
"""Energy of a 32-bit multiply-accumulate at 45 nm, in pJ (Horowitz, ISSCC 2014)."""
PJ_PER_AC = 0.9
"""Energy of a 32-bit accumulate at 45 nm, in pJ (Horowitz, ISSCC 2014)."""

_aten = torch.ops.aten


@dataclass(frozen=True)
class Operations:
    """Counts and energies of the inference of one image, over all its steps.

    Attributes:
        synops: spike-driven accumulations in convolutions and matrix products.
        ac: accumulations: SynOps, and additions elsewhere (shortcuts, embeddings, means).
        mac: multiply-accumulates, where the input is not all 0 and 1.
        compute_pj: energy of computing, 4.6 pJ for each MAC and 0.9 pJ for each AC.
        memory_pj: energy of memory at 24.96 pJ a byte (SpikingJelly's ``SimpleEnergyProfiler``): reads of weights and
            biases as far as they are used, and one read and one write of every neuron's state at each step.
        formula_sops: firing rate times T times FLOPs of each layer with spiking input (arXiv:2505.15840).
        formula_macs: FLOPs of the layers with real-valued input.
        formula_pj: 4.6 pJ for each MAC and 0.9 pJ for each SOP of the formula. Whole-number input counts as that many
            spikes; at the border of an image the formula counts what padding leaves out.
    """

    synops: float
    ac: float
    mac: float
    compute_pj: float
    memory_pj: float
    formula_sops: float
    formula_macs: float
    formula_pj: float

    @classmethod
    def mean(cls, found: list[Operations]) -> Operations:
        """The mean over images."""
        return cls(**{name: sum(getattr(one, name) for one in found) / len(found) for name in vars(found[0])})


def count_operations(
    model: nn.Module, images: Tensor, run: Callable[[Tensor, int], object] | None = None
) -> Operations:
    """Counts a forward pass of each image alone, and returns the mean.

    Args:
        model: in eval mode, membranes at rest or resetting itself.
        images: (N, ...).
        run: the forward pass of one image (1, ...), given with its number from 0 on, and called twice for each;
            ``model(image)`` if None.
    """
    found = []
    forward = run or (lambda image, number: model(image))
    for number, image in enumerate(images.split(1)):
        costs = op_counter.SimpleEnergyProfiler(
            config=op_counter.SimpleEnergyConfig(
                cost_config=op_counter.SimpleEnergyCostConfig(PJ_PER_MAC, PJ_PER_AC),
                extra_ignore_modules=[BaseNode, nn.modules.batchnorm._BatchNorm],
            )
        )
        costs.memory_counter.ignore_modules = []  # the state of the neurons is traffic
        costs.bind_model(model)
        formula = FormulaCounter()
        # Two passes: a counter inside another's would have its own arithmetic counted. The counters' module tracker
        # fails on a module that returns a trainable parameter.
        with torch.no_grad(), Target(model).frozen():
            with costs:
                forward(image, number)
            with op_counter.DispatchCounterMode([formula]):
                forward(image, number)
        report = costs.get_report()
        sops, macs = formula.sops, formula.macs
        found.append(
            Operations(
                synops=report.counts["synop"],
                ac=report.counts["ac"],
                mac=report.counts["mac"],
                compute_pj=report.energy_compute_pj,
                memory_pj=report.energy_memory_pj,
                formula_sops=sops,
                formula_macs=macs,
                formula_pj=PJ_PER_MAC * macs + PJ_PER_AC * sops,
            )
        )
    return Operations.mean(found)


class FormulaCounter(op_counter.BaseCounter):  # type: ignore[misc]
    """SOPs = firing rate x T x FLOPs of a layer, and MACs for real-valued input; convolutions and matrix products.

    The steps are part of the batch when a layer without memory runs, so T times FLOPs is what the layer computes.

    Attributes:
        sops: spike-driven operations counted so far.
        macs: multiply-accumulates counted so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sops = 0.0
        self.macs = 0.0
        self.rules = {
            _aten.convolution.default: lambda a, k, out: self._count(_convolution_flops(a, out), a[0]),
            _aten.mm.default: lambda a, k, out: self._count(out.numel() * a[0].shape[-1], a[0]),
            _aten.addmm.default: lambda a, k, out: self._count(out.numel() * a[1].shape[-1], a[1]),
            _aten.bmm.default: lambda a, k, out: self._count(out.numel() * a[0].shape[-1], a[0], a[1]),
        }

    def _count(self, flops: int, *operands: Tensor) -> int:
        """Notes the work of one layer; of two operands (an attention's) the more spike-like one is the input."""
        binary = [x for x in operands if bool(((x == 0) | (x == 1)).all())]
        whole = [x for x in operands if bool(((x >= 0) & (x == x.round())).all())]
        spiking = (binary or whole)[:1]
        if spiking:
            self.sops += float(spiking[0].double().mean()) * flops
        else:
            self.macs += flops
        return flops


def _convolution_flops(arguments: tuple[Any, ...], out: Tensor) -> int:
    """Multiply-accumulates of a convolution, transposed or not."""
    inputs, weight, transposed = arguments[0], arguments[1], arguments[6]
    places = inputs.shape[0] * prod((inputs if transposed else out).shape[2:])
    return int(places * prod(weight.shape))
