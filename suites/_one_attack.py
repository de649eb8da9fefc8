"""The course of one attack: its loss step by step, and its last iterate beside its best."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.answers import Answer, GradientAnswer
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.losses import Loss, LossName
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.registry.spec import TRAINING, ComponentSpec
from robustbench_snn.suites.attacks.sa_pgd import SAPGD

RISE = 0.2
"""What twice the steps may add to the loss, as a share of all that it rose by."""
GAP = 0.15
FLAGS = ("loss_still_rising", "last_iterate_gap")
"""What :func:`course` may raise."""


class Watched(ActiveSet):
    """Remembers the summed loss of every step and the last answer; nobody leaves."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named, leave=False)
        self.losses: list[Tensor] = []
        self.last: Tensor | None = None

    def gradient(self, images: Tensor, loss: LossName | Loss = "ce", *extra: Tensor) -> GradientAnswer:
        """See :meth:`ActiveSet.gradient`."""
        answer = super().gradient(images, loss, *extra)
        self.losses.append(answer.loss.double().nan_to_num(0.0, 0.0, 0.0).sum().cpu())
        return answer

    def note(self, images: Tensor) -> Answer:
        """See :meth:`ActiveSet.note`."""
        answer = super().note(images)
        self.last = answer.logits
        return answer


def course(
    subject: Subject, ball: Ball, steps: int, estimator: ComponentSpec | None
) -> tuple[dict[str, Any], list[str]]:
    """Follows SA-PGD on the margin, once with ``steps`` and once with twice as many, from the same starts.

    Its step size shrinks to almost nothing towards the end, so that no run's own loss still rises there: only a
    longer run tells.

    Args:
        subject: the model, frozen, and its samples.
        ball: admissible perturbations.
        steps: of the shorter run.
        estimator: its backward pass; the model's own if None.

    Returns:
        What was measured, and the flags raised.
    """
    losses, last, best = _followed(subject, ball, steps, estimator)
    longer, _, _ = _followed(subject, ball, 2 * steps, estimator)
    found = {"loss_curve": losses, "loss_of_twice_the_steps": longer[-1], "last_iterate": last, "best_iterate": best}
    rising = longer[-1] - losses[-1] > RISE * abs(losses[-1] - losses[0])
    flags = [*(["loss_still_rising"] if rising else []), *(["last_iterate_gap"] if last - best > GAP else [])]
    return found, flags


def _followed(
    subject: Subject, ball: Ball, steps: int, estimator: ComponentSpec | None
) -> tuple[list[float], float, float]:
    """Mean loss by step, and the shares of samples that stay right at the last iterate and at the best."""
    followed = stage("course", SAPGD(steps=steps, loss="margin"), estimator or TRAINING)
    losses, last, best = torch.zeros(steps, dtype=torch.float64), 0, 0
    for batch in subject.samples.batches(subject.batch_size, subject.device):
        with followed.backward(subject.target, batch.images[:8]) as state:
            random = batch.random(subject.seed, followed.seed_label)
            active = Watched(subject.target, batch, ball, random, batch_size=len(batch), draws=10, state=state)
            followed.attack.run(active)
        assert active.last is not None  # an attack looks at its last iterate
        losses += torch.stack(active.losses)
        last += int(correct(active.last, batch.labels).sum())
        best += int(correct(active.note(active.best).logits, batch.labels).sum())
    count = len(subject.samples)
    return (losses / count).tolist(), last / count, best / count
