"""What attacks maximise: one value a sample, never averaged, so that no gradient depends on batch mates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.correctness import margin

LossName = Literal["ce", "margin", "dlr", "tet"]
Loss = Callable[..., Tensor]
"""(logits (B, K), labels (B,), *extra (B, ...)) to values (B,)."""


def ce(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy."""
    return cross_entropy(logits, labels, reduction="none")


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The highest wrong logit minus the label's (Carlini and Wagner, 2017, arXiv:1608.04644)."""
    return -margin(logits, labels)


def _need_classes(logits: Tensor, least: int, name: str) -> None:
    if logits.shape[1] < least:
        raise UserError(f"the {name} loss needs at least {least} classes, this model has {logits.shape[1]}; use margin")


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio, -(z_y - max_{i != y} z_i) / (z_1st - z_3rd) (Croce, Hein, 2020, arXiv:2003.01690).

    Raises:
        UserError: with fewer than 3 classes.
    """
    _need_classes(logits, 3, "dlr")
    ranked = logits.sort(1, descending=True).values
    return -margin(logits, labels) / (ranked[:, 0] - ranked[:, 2] + 1e-12)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """-(z_y - z_t) / (z_1st - (z_3rd + z_4th) / 2), pulling towards class t (arXiv:2003.01690).

    Raises:
        UserError: with fewer than 4 classes.
    """
    _need_classes(logits, 4, "targeted dlr")
    ranked = logits.sort(1, descending=True).values
    own = logits.gather(1, labels[:, None])[:, 0]
    target = logits.gather(1, targets[:, None])[:, 0]
    return -(own - target) / (ranked[:, 0] - 0.5 * (ranked[:, 2] + ranked[:, 3]) + 1e-12)


def targeted_margin(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The logit of class t minus the label's: for models of 2 or 3 classes, where the targeted DLR is undefined."""
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None]))[:, 0]


def tet(step_logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the steps of each step's cross-entropy (Deng et al., 2022, arXiv:2202.11946).

    Args:
        step_logits: (T, B, K).
        labels: (B,).
    """
    return torch.stack([ce(logits, labels) for logits in step_logits]).mean(0)


@dataclass(frozen=True)
class StepLoss:
    """A loss of the logits of every step (T, B, K), which only classifiers of this package give."""

    function: Loss

    def __call__(self, step_logits: Tensor, labels: Tensor, *extra: Tensor) -> Tensor:
        """Values (B,)."""
        return self.function(step_logits, labels, *extra)


LOSSES: dict[str, Loss] = {"ce": ce, "margin": negative_margin, "dlr": dlr, "tet": StepLoss(tet)}
