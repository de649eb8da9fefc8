"""Whether a model's answers say more than a class."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Batch
from robustbench_snn.model.target import Target

LOOKS = 9
"""Images a sample that are looked at: the clean one, and noisy ones."""
NOISE = 0.25
"""How far pixels of the noisiest are moved, on [0, 1]: enough to move any score that is more than a class."""


def hard_labels(target: Target, batch: Batch) -> bool:
    """Whether the lead of the top logit hardly ever moves with the image: searches by score are then blind.

    So it is with logits of 0 and 1, saturated ones, and ones of fixed ranks.

    Args:
        target: the model, frozen.
        batch: some samples; a few dozen tell. The answer is one for all of them.

    Returns:
        True if two values of the lead, to five digits, are those of nine images in ten: one for a clear answer, and
        one for ties.
    """
    random = batch.random("hard labels")
    leads = []
    for look in range(LOOKS):
        noise = 2.0 * random.fold(look).uniform(*batch.images.shape[1:]) - 1.0
        images = (batch.images + NOISE * look / (LOOKS - 1) * noise).clamp(0.0, 1.0)
        with torch.no_grad():
            leads.append(_lead(target(images, random.fold("draw", look))))
    lead = torch.cat(leads)
    _, counts = (1e5 * lead / lead.abs().amax().clamp_min(1e-30)).round().unique(return_counts=True)
    return int(counts.sort(descending=True).values[:2].sum()) >= 0.9 * len(lead)


def _lead(logits: Tensor) -> Tensor:
    """The highest logit minus the second, (B,)."""
    first, second = logits.topk(2, 1).values.unbind(1)
    return first - second
