"""Accuracy on the images as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, accuracy_outcome, register_evaluation
from robustbench_snn.evaluation.correctness import argmax_correct, correct, tie_flags, tied
from robustbench_snn.parameters import Count


@register_evaluation("clean", version=2, takes="both")
class Clean(Evaluation):
    """Accuracy on unchanged test images; a tie for the top logit counts as wrong, and does not in argmax_accuracy.

    Args:
        draws: forward passes of a stochastic model, each with fresh random streams; its accuracy is their mean.
    """

    draws: Count = 20

    def run(self, subject: Subject) -> Outcome:
        """Counts, for each sample, the share of draws that were right."""
        draws = self.draws if subject.target.stochastic else 1
        tests = (correct, argmax_correct, tied)
        shares: list[Tensor] = []
        for batch in subject.samples.batches(subject.batch_size, subject.device):
            hits = torch.zeros(len(batch), len(tests), dtype=torch.float64, device=batch.images.device)
            for draw in range(draws):
                random = batch.random(subject.seed, "clean", draw)
                with torch.no_grad():
                    logits = subject.target(batch.images, random)
                hits += torch.stack([test(logits, batch.labels) for test in tests], 1)
            shares.append((hits / draws).cpu())
            subject.progress(sum(map(len, shares)), len(subject.samples))
        right, argmax, ties = torch.cat(shares).unbind(1)
        return accuracy_outcome(
            right.numpy() if draws > 1 else right.numpy().astype(np.bool_),
            metrics={"argmax_accuracy": float(argmax.mean())},
            flags=tie_flags(ties),
        )
