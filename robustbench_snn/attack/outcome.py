"""From a finished cascade to the outcome of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from robustbench_snn.attack.cascade import Cascade, breakdown
from robustbench_snn.evaluation.contract import Outcome
from robustbench_snn.evaluation.correctness import tie_flags


def cascade_outcome(
    cascade: Cascade, *, details: Mapping[str, Any] | None = None, flags: Sequence[str] = (), comparable: bool = True
) -> Outcome:
    """Robust accuracy by union over all stages, per sample.

    ``accuracy`` of a stochastic model is the mean over samples and evaluation draws, and ``correct`` the share of
    each sample's draws that were right; the majority vote (a tie is wrong) and the worst of all draws stand beside.
    ``argmax_accuracy`` is of the same images where argmax decides ties, as most published code does; the attacks
    stop at a tie, so that it is an upper bound.
    """
    share = cascade.share
    votes, all_right = (share > 0.5).numpy(), (share == 1.0).numpy()
    metrics = {
        "accuracy": cascade.robust_accuracy,
        "argmax_accuracy": float(cascade.argmax_share.double().mean()),
        "clean_accuracy": float(cascade.clean_share.double().mean()),
    }
    columns: dict[str, Any] = {
        "correct": votes,
        "broken_by": cascade.broken_by.numpy(),
        "queries": cascade.queries.numpy(),
    }
    if cascade.subject.target.stochastic:
        metrics |= {"vote": float(np.mean(votes)), "worst": float(np.mean(all_right))}
        columns |= {"correct": share.numpy(), "vote": votes, "worst": all_right}
    found = list(flags)
    if any(report.unverified for report in cascade.reports):
        found.append("unverified")
    found += tie_flags(cascade.tied)
    arrays: dict[str, Any] = {}
    if cascade.keep_images:
        kept = torch.arange(min(cascade.keep_images, len(share)))
        clean = cascade.subject.samples.images(kept)
        adversarial = [cascade.images.get(position, clean[position]) for position in kept.tolist()]
        arrays = {"clean": clean.numpy(), "adversarial": torch.stack(adversarial).numpy()}
    return Outcome(
        metrics=metrics,
        columns=columns,
        details={
            "eps": cascade.ball.eps,
            "norm": cascade.ball.norm,
            "stages": breakdown(cascade.reports),
            **(details or {}),
        },
        flags=found,
        arrays=arrays,
        comparable=comparable,
    )
