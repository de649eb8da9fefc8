"""Template title: say here what it measures and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor

from robustbench_snn.plugins import Evaluation, Outcome, Subject, accuracy_outcome, correct, register_evaluation


@register_evaluation("template_name", version=1)
class TemplateName(Evaluation):
    """One line for listings: accuracy on images that are mirrored from left to right.

    Args:
        draws: forward passes of a stochastic model; its accuracy is their mean.
    """

    draws: PositiveInt = 20

    def run(self, subject: Subject) -> Outcome:
        """Counts, for each sample, the share of draws that were right."""
        draws = self.draws if subject.target.stochastic else 1
        shares: list[Tensor] = []
        for batch in subject.samples.batches(subject.batch_size, subject.device):
            hits = torch.zeros(len(batch), dtype=torch.float64, device=batch.images.device)
            for draw in range(draws):
                random = batch.random(subject.seed, "template_name", draw)
                with torch.no_grad():
                    hits += correct(subject.target(batch.images.flip(3), random), batch.labels)
            shares.append((hits / draws).cpu())
            subject.progress(sum(map(len, shares)), len(subject.samples))
        return accuracy_outcome(torch.cat(shares).numpy())
