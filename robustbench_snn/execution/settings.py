"""How a run computes, none of which changes its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from robustbench_snn.kernels.compiling import Mode
from robustbench_snn.spec.resources import Resources


@dataclass(frozen=True)
class RunSettings:
    """What may differ between two runs that find the same numbers.

    Attributes:
        device: cpu, cuda or cuda:N.
        batch_size: samples at once in evaluations, at least 1.
        fresh: compute every cell again.
        executor: ``local`` (this process, or ``jobs`` worker processes), ``ray`` or ``ray:ADDRESS``, ``slurm``.
        jobs: number of worker processes; 1 computes in the process that asks.
        cell_timeout: seconds after which a cell has failed, in local worker processes; None for no limit.
        resources: what a cell takes of a cluster.
        plugins: paths of plug-in files, which worker processes must load too.
        checkpointing: attacks run parts of the model again in their backward pass, to save memory.
        compile: when the neurons' loops over time steps are compiled; None leaves it to the environment.
    """

    device: str = "cpu"
    batch_size: int = 128
    fresh: bool = False
    executor: str = "local"
    jobs: int = 1
    cell_timeout: float | None = None
    resources: Resources = field(default_factory=Resources)
    plugins: tuple[str, ...] = ()
    checkpointing: bool = False
    compile: Mode | None = None
