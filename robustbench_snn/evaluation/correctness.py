"""When a prediction counts as correct."""

from __future__ import annotations

import torch
from torch import Tensor

TIES = 0.01
"""Share of samples wrong by a tie alone, above which a flag says so."""


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The label's logit minus the highest other one, (B,); positive means classified correctly.

    Args:
        logits: (B, K), K at least 2.
        labels: int64 (B,).
    """
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return (own - others.amax(1, keepdim=True)).squeeze(1)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each sample is classified correctly, bool (B,).

    A tie for the top logit counts as wrong: rate readouts, k/T, tie often, and argmax would then answer by class
    order. So does any logit that is not finite.
    """
    return (margin(logits, labels) > 0) & logits.isfinite().all(1)


def tied(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the label shares the top logit with another class and all are finite, bool (B,): wrong only by a tie."""
    return (margin(logits, labels) == 0) & logits.isfinite().all(1)


def argmax_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the label is the first class with the top logit, bool (B,): what an argmax says.

    Ties go to the lower class, on every device; NaN counts as -inf. Never below :func:`correct`.
    """
    known = torch.where(logits.isnan(), -torch.inf, logits)
    classes = torch.arange(logits.shape[1], device=logits.device)
    top = known == known.amax(1, keepdim=True)
    return torch.where(top, classes, logits.shape[1]).amin(1) == labels


def tie_flags(ties: Tensor) -> list[str]:
    """The flag ``ties`` where they cost more than 1 % of accuracy.

    Args:
        ties: (N,), share of each sample's answers that were wrong by a tie alone.
    """
    return ["ties"] if float(ties.double().mean()) > TIES else []
