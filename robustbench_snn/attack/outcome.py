"""From a finished cascade to the outcome of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from robustbench_snn.attack.cascade import Siege, breakdown
from robustbench_snn.evaluation.contract import Outcome


def siege_outcome(
    siege: Siege, *, details: Mapping[str, Any] | None = None, flags: Sequence[str] = (), comparable: bool = True
) -> Outcome:
    """Robust accuracy by union over all stages, per sample.

    ``accuracy`` of a stochastic model is the mean over samples and evaluation draws, and ``correct`` the share of
    each sample's draws that were right; the majority vote (a tie is wrong) and the worst of all draws stand beside.
    """
    share = siege.share
    votes, all_right = (share > 0.5).numpy(), (share == 1.0).numpy()
    metrics = {"accuracy": siege.robust_accuracy, "clean_accuracy": float(siege.clean_share.double().mean())}
    columns: dict[str, Any] = {
        "correct": votes,
        "broken_by": siege.broken_by.numpy(),
        "queries": siege.queries.numpy(),
    }
    if siege.subject.target.stochastic:
        metrics |= {"vote": float(np.mean(votes)), "worst": float(np.mean(all_right))}
        columns |= {"correct": share.numpy(), "vote": votes, "worst": all_right}
    found = list(flags)
    if any(report.unverified for report in siege.reports):
        found.append("unverified")
    arrays: dict[str, Any] = {}
    if siege.keep_images:
        kept = torch.arange(min(siege.keep_images, len(share)))
        clean = siege.subject.samples.images(kept)
        adversarial = [siege.images.get(position, clean[position]) for position in kept.tolist()]
        arrays = {"clean": clean.numpy(), "adversarial": torch.stack(adversarial).numpy()}
    return Outcome(
        metrics=metrics,
        columns=columns,
        details={"eps": siege.ball.eps, "norm": siege.ball.norm, "stages": breakdown(siege.reports), **(details or {})},
        flags=found,
        arrays=arrays,
        comparable=comparable,
    )
