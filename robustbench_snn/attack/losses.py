"""What attacks maximise: one value a sample, never averaged, so that no gradient depends on batch mates.

Multiplying all logits by one number changes no prediction, and must change no attack: cross-entropy on logits as they
are has no gradient left where they are large, and hardly sees the label where they are small (Carlini, Wagner, 2017,
arXiv:1608.04644; Croce, Hein, 2020, arXiv:2003.01690). So ``ce`` and ``tet`` bring each sample's logits to one range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.correctness import margin

LossName = Literal["ce", "plain_ce", "margin", "dlr", "tet"]
Loss = Callable[..., Tensor]
"""(logits (B, K), labels (B,), *extra (B, ...)) to values (B,)."""


TEMPERATURE = 20.0
"""What the range of a sample's logits becomes in ``ce`` and ``tet``.

Chosen among 1, 3, 10, 20 and 30 by robust accuracy on digits (conv-LIF, spikformer, ANN; 200 samples; PGD-50 and
SA-PGD-100): 20 was at most half a point above plain cross-entropy and up to five below it, 1 up to 21 above it.
"""


def unit(logits: Tensor, over: tuple[int, ...] = (1,)) -> Tensor:
    """Logits divided by their range, max - min, which is taken as a constant: no gradient flows through it.

    Args:
        logits: (B, K), or (T, B, K).
        over: the dimensions that the range is taken over; all equal logits are left as they are.
    """
    fixed = logits.detach()
    size = fixed.amax(over, keepdim=True) - fixed.amin(over, keepdim=True)
    return logits / torch.where(size > 0, size, 1.0)


def ce(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy on logits whose range over the classes is :data:`TEMPERATURE`, whatever their own.

    Of two classes the range is the margin, and nothing would be left; there it is the margin, which it follows.
    """
    if logits.shape[1] == 2:
        return negative_margin(logits, labels)
    return plain_ce(TEMPERATURE * unit(logits), labels)


def plain_ce(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy as in textbooks, for published protocols: large logits leave it no gradient."""
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
    logits = unit(logits)  # the ratio stays the same; what keeps it from 0 / 0 then means the same at every scale
    ranked = logits.sort(1, descending=True).values
    return -margin(logits, labels) / (ranked[:, 0] - ranked[:, 2] + 1e-12)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """-(z_y - z_t) / (z_1st - (z_3rd + z_4th) / 2), pulling towards class t (arXiv:2003.01690).

    Raises:
        UserError: with fewer than 4 classes.
    """
    _need_classes(logits, 4, "targeted dlr")
    logits = unit(logits)  # as in dlr
    ranked = logits.sort(1, descending=True).values
    own = logits.gather(1, labels[:, None])[:, 0]
    target = logits.gather(1, targets[:, None])[:, 0]
    return -(own - target) / (ranked[:, 0] - 0.5 * (ranked[:, 2] + ranked[:, 3]) + 1e-12)


def likely_classes(logits: Tensor, labels: Tensor) -> Tensor:
    """All wrong classes of each sample, the likeliest first, int64 (B, K - 1)."""
    wrong = logits.scatter(1, labels[:, None], -torch.inf)
    return wrong.argsort(dim=1, descending=True, stable=True)[:, :-1]


def targeted_margin(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The logit of class t minus the label's, for any number of classes; its gradient's direction has no scale."""
    return (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None]))[:, 0]


def tet(step_logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the steps of each step's cross-entropy (Deng et al., 2022, arXiv:2202.11946).

    The range over steps and classes together is brought to :data:`TEMPERATURE`, so that steps keep their weights.

    Args:
        step_logits: (T, B, K).
        labels: (B,).
    """
    if len(step_logits) == 1:
        return ce(step_logits[0], labels)
    scaled = TEMPERATURE * unit(step_logits, (0, 2))
    return torch.stack([plain_ce(logits, labels) for logits in scaled]).mean(0)


@dataclass(frozen=True)
class StepLoss:
    """A loss of the logits of every step (T, B, K), which only classifiers of this package give."""

    function: Loss

    def __call__(self, step_logits: Tensor, labels: Tensor, *extra: Tensor) -> Tensor:
        """Values (B,)."""
        return self.function(step_logits, labels, *extra)


LOSSES: dict[str, Loss] = {
    "ce": ce,
    "plain_ce": plain_ce,
    "margin": negative_margin,
    "dlr": dlr,
    "tet": StepLoss(tet),
}
