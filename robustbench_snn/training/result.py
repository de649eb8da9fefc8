"""What a training reports while it runs, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from robustbench_snn.errors import UserError


class TrainingError(UserError):
    """A training that cannot go on: its loss is not finite, memory ran out, or a batch reaches into the next."""


class TrainingProgress(Protocol):
    """Receives the progress of a training. Epochs count from 1."""

    def batch(self, epoch: int, epochs: int, batch: int, batches: int, images_per_second: float) -> None:
        """A batch is done."""

    def epoch(
        self, epoch: int, epochs: int, loss: float, accuracy: float, images_per_second: float, seconds_left: float
    ) -> None:
        """An epoch is done: its mean loss, its training accuracy (share in [0, 1], on augmented images)."""


class EpochRecord(BaseModel):
    """One epoch of a training.

    Attributes:
        epoch: counts from 1.
        loss: mean over the epoch's images.
        accuracy: share of them answered right, as augmented, by the weights of the moment.
        lr: learning rate of the epoch's last batch.
        images: images seen.
        seconds: wall time; the one field that differs from run to run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    loss: float
    accuracy: float
    lr: float
    images: int
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What a training left; the weights are in the classifier.

    Attributes:
        history: one record an epoch, those before an interruption included.
        resumed_from: epochs that were already done when this call began.
        seconds: wall time of all epochs.
        images_per_second: of all epochs together.
    """

    history: Sequence[EpochRecord]
    resumed_from: int
    seconds: float
    images_per_second: float
