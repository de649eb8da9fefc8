"""What a session writes of each cell: its record, and the files beside it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.digests import json_digest, tensor_digest
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome
from robustbench_snn.execution.provenance import Stopwatch, provenance
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.keys import key_content
from robustbench_snn.plan.plan import Plan
from robustbench_snn.store.records import Failure, Provenance, Record
from robustbench_snn.store.store import write_samples


class Recorder:
    """Makes the records of a plan's cells.

    Args:
        plan: the cells' suite and dataset.
        settings: for provenance.
    """

    def __init__(self, plan: Plan, settings: RunSettings) -> None:
        self._plan = plan
        self._settings = settings

    def trained(self, cell: TrainCell, model: nn.Module, watch: Stopwatch, details: Mapping[str, Any]) -> Record:
        """The record of a training.

        Args:
            cell: the training.
            model: with the weights that it left.
            watch: started when the training was.
            details: history and task.
        """
        return Record(
            kind="train",
            status="done",
            details=details,
            weights_sha256=tensor_digest(model.state_dict()),
            provenance=self._provenance(watch, model, batch_size=0),
            **self._common(cell, model, {}),
        )

    def evaluated(
        self,
        cell: EvaluateCell,
        weights: Mapping[str, str],
        model: nn.Module,
        watch: Stopwatch,
        outcome: Outcome,
        batch_size: int,
    ) -> Record:
        """The record of an evaluation.

        Args:
            cell: the evaluation.
            weights: sha256 of the weights it depends on, as :func:`robustbench_snn.plan.keys.key_of` takes them.
            model: that was evaluated.
            watch: started when the evaluation was.
            outcome: what it found.
            batch_size: how many samples at once fitted into memory.
        """
        return Record(
            kind="evaluate",
            status="done",
            samples=self._plan.count_of(cell),
            metrics=outcome.metrics,
            details=outcome.details,
            flags=tuple(outcome.flags),
            comparable=outcome.comparable,
            weights_sha256=weights[cell.train.peer_name],
            provenance=self._provenance(watch, model, batch_size),
            **self._common(cell, model, weights),
        )

    def failed(
        self, cell: Cell, weights: Mapping[str, str], model: nn.Module, watch: Stopwatch, error: BaseException
    ) -> Record:
        """The record of a cell that failed.

        Args:
            cell: a training or an evaluation.
            weights: as of :meth:`evaluated`; empty for a training.
            model: as far as it was built.
            watch: started when the work was.
            error: why it failed.
        """
        failure = Failure(
            type=type(error).__name__,
            message=str(error) if isinstance(error, Exception) else f"it ended the program ({error!r})",
            traceback="".join(traceback.format_exception(error)),
            is_users=isinstance(error, UserError),
        )
        return Record(
            kind="train" if isinstance(cell, TrainCell) else "evaluate",
            status="failed",
            failure=failure,
            provenance=self._provenance(watch, model, self._settings.batch_size),
            **self._common(cell, model, weights),
        )

    def _common(self, cell: Cell, model: nn.Module, weights: Mapping[str, str]) -> dict[str, Any]:
        """The fields that all records have."""
        train = cell if isinstance(cell, TrainCell) else cell.train
        identity = key_content(cell, weights)
        return {
            "key": json_digest(identity),
            "suite": self._plan.suite.name,
            "model": train.model.name,
            "identity": identity,
            "seed": train.seed,
            "timesteps": train.model.timesteps,
            "parameters": sum(p.numel() for p in model.parameters()),
        }

    def _provenance(self, watch: Stopwatch, model: nn.Module, batch_size: int) -> Provenance:
        return provenance(
            watch,
            device=self._settings.device,
            batch_size=batch_size,
            model=model,
            suite_sha256=self._plan.suite_sha256,
        )


def write_outcome(folder: Path, samples: Samples, outcome: Outcome) -> None:
    """Writes the per-sample columns of an evaluation, with ids and labels, and the arrays that it kept.

    Args:
        folder: of the cell.
        samples: that were evaluated.
        outcome: what was found on them.
    """
    ids = {"id": samples.ids.numpy(), "label": samples.labels.numpy()}
    write_samples(folder / "samples.parquet", ids | dict(outcome.columns))
    if outcome.arrays:
        np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **dict(outcome.arrays))
