"""The wrong classes that targeted attacks pull towards."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.losses import likely_classes


def likely_targets(active: ActiveSet, count: int) -> list[Tensor]:
    """Asks about the clean images; the likeliest wrong class of every sample of the batch, then the next, and so on.

    Returns:
        At most ``count`` tensors int64 (B,), no more than there are wrong classes; 0 for samples that have left.
    """
    answer = active.note(active.clean)
    likely = likely_classes(answer.logits, active.labels)[:, :count]
    ranked = torch.zeros(len(active.best), likely.shape[1], dtype=torch.int64, device=likely.device)
    ranked[active.rows] = likely
    return list(ranked.T)
