"""The samples whose event frames are under attack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.answers import GradientAnswer
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.losses import Loss, LossName
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.event_attack.space import Space
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom

NONE = -1
"""The number of changes of a sample that is not fooled."""


class EventSet(ActiveSet):
    """An active set that counts changed events and backward passes, and answers about many frames of a sample.

    Args:
        target: the model, frozen.
        batch: clean frames of the space, labels and ids, on the device.
        space: what may be changed.
        random: one stream a sample.
        backward: puts the gradient estimator in force while a gradient is taken, and only then: other forward passes
            are faster without it. An estimator with a state of its own is in force all the time instead.
        named: what else :class:`ActiveSet` takes.

    Attributes:
        changes: int64 (B,), what the attack says that ``best`` differs by; NONE of a sample that it does not fool.
        gradients: int64 (B,), backward passes spent on each sample; forward passes are ``queries``.
    """

    def __init__(
        self,
        target: Target,
        batch: Batch,
        space: Space,
        random: SampleRandom,
        *,
        backward: Callable[[], AbstractContextManager[object]] = nullcontext,
        **named: Any,
    ) -> None:
        super().__init__(target, batch, Ball(space.most, "linf", space.most), random, **named)
        self.space, self.backward = space, backward
        self.changes = torch.full_like(self.labels, NONE)
        self.gradients = torch.zeros_like(self.labels)

    def gradient(self, images: Tensor, loss: LossName | Loss = "ce", *extra: Tensor) -> GradientAnswer:
        """See :meth:`ActiveSet.gradient`."""
        self.gradients[self.rows] += 1
        with self.backward():
            return super().gradient(images, loss, *extra)

    def logits(self, rows: Tensor, made: Callable[[slice], Tensor]) -> Tensor:
        """Logits (M, K) of M frames, a batch at a time; none is noted.

        Args:
            rows: int64 (M,), the sample of the whole batch that each query is charged to.
            made: gives the frames (m, F, C, H, W) of a slice of the M, so that all of them are never in memory.
        """
        self.queries.index_add_(0, rows, torch.ones_like(rows))
        size = self.batch_size
        with torch.no_grad():
            parts = [self.target(made(slice(begin, begin + size))) for begin in range(0, len(rows), size)]
        return torch.cat(parts) if parts else self.clean.new_zeros(0, self._classes)
