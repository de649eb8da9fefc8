"""How much sooner a layer of neurons is done on kernels over all steps than on SpikingJelly's own code.

    python docs/scripts/neuron_speed.py [--batch 8 64] [--rounds 15] [--cpu-time]

Forward and backward pass of the layers of a small Spikformer (32 x 32 pixels, T = 4, width 64) on one thread, each
path in turn within every round; medians of the ratios. ``--cpu-time`` counts processor seconds, which other work on the
machine lengthens less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from robustbench_snn.kernels.compiling import state, using
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import NeuronConfig

SHAPES = ((16, 32, 32), (32, 32, 32), (64, 16, 16), (64, 8, 8), (64, 64), (64, 256))
STEPS = 4


def passes(neuron: nn.Module, shape: tuple[int, ...]) -> Callable[[], None]:
    """A forward and a backward pass of one layer."""
    current = (torch.randn(shape) + 0.5).requires_grad_()
    gradient = torch.randn(shape)

    def run() -> None:
        neuron.reset()  # type: ignore[operator]
        torch.autograd.grad(neuron(current), current, gradient)

    return run


def seconds(run: Callable[[], None], clock: Callable[[], float]) -> float:
    """Of one call."""
    begun = clock()
    run()
    return clock() - begun


def main() -> None:
    """Prints a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true")
    chosen = parser.parse_args()
    clock = time.process_time if chosen.cpu_time else time.perf_counter
    torch.set_num_threads(1)
    neuron = NeuronConfig().build()
    print(f"{'shape of a step':>20} {'SpikingJelly, ms':>17} {'plain':>6} {'compiled':>9}")
    found = []
    for batch in chosen.batch:
        for shape in SHAPES:
            run = passes(neuron, (STEPS, batch, *shape))
            ratios = []
            for round_ in range(chosen.rounds + 1):
                own = seconds(run, clock)
                with fusing(neuron), using("off"):
                    plain = seconds(run, clock)
                with fusing(neuron), using("auto"):
                    compiled = seconds(run, clock)
                if round_:  # the first compiles
                    ratios.append((own, own / plain, own / compiled))
            own, plain, compiled = (statistics.median(column) for column in zip(*ratios, strict=True))
            found.append(compiled)
            print(f"{f'{batch} x {shape}':>20} {own * 1e3:17.2f} {plain:6.2f} {compiled:9.2f}")
    print(
        f"compiled: {min(found):.2f} to {max(found):.2f}, median {statistics.median(found):.2f}; path: {state('cpu')}"
    )


if __name__ == "__main__":
    main()
