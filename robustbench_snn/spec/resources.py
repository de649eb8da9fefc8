"""What a cell takes of a cluster; no number depends on it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from robustbench_snn.strict import Strict

PARTITION = r"^[A-Za-z0-9_.,-]+$"


class Resources(Strict):
    """What the executors ``ray`` and ``slurm`` ask for, for each cell or each job.

    Attributes:
        cpus: cores, and threads of torch.
        gpus: GPUs; those of a share take turns on one (Ray). Without it: one where the device is cuda.
        memory: GB of main memory; the cluster's default if left out.
        minutes: time limit of a Slurm job, which is put back into the queue, and goes on, when it is reached.
        partition: of Slurm; the cluster's default if left out.
        cells_per_job: cells of one Slurm job, one after the other.
        jobs_at_once: Slurm jobs of an array that may run together.
    """

    cpus: Annotated[int, Field(ge=1, le=4096)] = 1
    gpus: Annotated[float, Field(ge=0, le=64)] | None = None
    memory: Annotated[float, Field(gt=0, le=100_000)] | None = None
    minutes: Annotated[int, Field(ge=1, le=100_000)] = 240
    partition: str | None = Field(default=None, pattern=PARTITION)
    cells_per_job: Annotated[int, Field(ge=1, le=100_000)] = 8
    jobs_at_once: Annotated[int, Field(ge=1, le=100_000)] = 64
