"""How a run computes, none of which changes its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_snn.kernels.compiling import Mode


@dataclass(frozen=True)
class RunSettings:
    """What may differ between two runs that find the same numbers.

    Attributes:
        device: cpu, cuda or cuda:N.
        batch_size: samples at once in evaluations, at least 1.
        fresh: compute every cell again.
        jobs: number of worker processes; 1 computes in the process that asks.
        plugins: paths of plug-in files, which worker processes must load too.
        checkpointing: attacks run parts of the model again in their backward pass, to save memory.
        compile: when the neurons' loops over time steps are compiled; None leaves it to the environment.
    """

    device: str = "cpu"
    batch_size: int = 128
    fresh: bool = False
    jobs: int = 1
    plugins: tuple[str, ...] = ()
    checkpointing: bool = False
    compile: Mode | None = None
