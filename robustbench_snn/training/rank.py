"""One of several processes that train a model together: ``python -m robustbench_snn.training.rank FOLDER``.

:mod:`robustbench_snn.training.launcher` starts it, with torchrun's environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.kernels.compiling import using
from robustbench_snn.machine import keep_freed_memory
from robustbench_snn.registry import load_plugin
from robustbench_snn.training.job import INITIAL, TRAINED, Job, write_error
from robustbench_snn.training.launcher import JOB, LAUNCHER, end_with
from robustbench_snn.training.ranks import Ranks
from robustbench_snn.training.trainer import train, training_key
from robustbench_snn.weights.loading import load_weights
from robustbench_snn.weights.tensors import save_weights

_EVERY = 0.5
"""Seconds between two reports of batches."""


class Told:
    """Is a :class:`robustbench_snn.training.TrainingProgress`: lines of JSON on stdout."""

    def __init__(self) -> None:
        self._next = 0.0

    def batch(self, *values: float) -> None:
        """A batch is done."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            print(json.dumps({"batch": values}), flush=True)  # noqa: T201 - read by the process that asked

    def epoch(self, *values: float) -> None:
        """An epoch is done."""
        print(json.dumps({"epoch": values}), flush=True)  # noqa: T201


def main(folder: Path) -> None:
    """Does this process's part of a job; the first leaves the trained weights in :data:`TRAINED`.

    Raises:
        TrainingError: see :func:`robustbench_snn.training.train`.
        UserError: if the data is not what it was in the process that asked.
    """
    end_with(int(os.environ[LAUNCHER]), lambda: os._exit(1))
    job = Job.model_validate_json((folder / JOB).read_text(encoding="utf-8"))
    keep_freed_memory()
    for plugin in job.blueprint.plugins:
        load_plugin(plugin)
    dataset = load_dataset(job.blueprint.dataset.name, **job.blueprint.dataset.parameters)
    classifier = job.blueprint.classifier(dataset)
    load_weights(classifier, folder / INITIAL)
    if training_key(classifier, dataset, job.recipe, job.seed) != job.key:
        raise UserError(f"the data of {dataset.name} or the code of the model changed while a training was started")
    device: str = job.device
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if job.device == "cuda" else "gloo", timeout=timedelta(seconds=job.timeout))
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    with using(job.compile):
        result = train(
            classifier,
            dataset,
            job.recipe,
            seed=job.seed,
            device=device,
            checkpoint_dir=None if job.checkpoint_dir is None else Path(job.checkpoint_dir),
            progress=Told() if ranks.rank == 0 else None,
            ranks=ranks,
        )
    if ranks.rank == 0:
        history = [record.model_dump() for record in result.history]
        save_weights(classifier, folder / TRAINED, {"history": history, "resumed_from": result.resumed_from})
    dist.destroy_process_group()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        main(place)
    except Exception as error:
        write_error(place, int(os.environ["RANK"]), error, traceback.format_exc())
        os._exit(1)  # a process group that lost a member may wait for it as it is taken down
    sys.stdout.flush()
    os._exit(0)  # all is written; a process group's threads may abort an interpreter that is taken down
