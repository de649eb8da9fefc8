"""When a prediction counts as correct."""

from __future__ import annotations

import torch
from torch import Tensor


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
