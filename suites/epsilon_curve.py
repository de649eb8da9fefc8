"""Robust accuracy over a list of eps, in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import SELECTING, SURVIVED, Cascade
from robustbench_snn.attack.examination import COMPONENTS as EXAMINATION
from robustbench_snn.attack.examination import examine, passing_through
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.standard_set import NOT_FOR_PUBLICATION, Tier, last, members
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count, Epsilon
from robustbench_snn.registry.spec import named_in


@register_evaluation("epsilon_curve", version=3)  # see the changelog
class EpsilonCurve(Evaluation):
    """How robust accuracy falls as the ball grows, and the area under that curve.

    A sample broken at a smaller eps is not attacked again at a larger one, whose ball holds the same image; so the
    curve cannot rise. ``accuracy`` is the mean height of the curve from 0 to the largest eps (trapezoids, clean
    accuracy at 0), ``correct`` that of each sample, and ``details.curve`` gives the points.

    Args:
        eps: radii in pixel units, at least one.
        norm: ``linf`` or ``l2``.
        tier: which part of the standard SNN attack set, without its convergence rule.
        draws: EOT draws, for stochastic models.
        judging_draws: fresh draws that judge a stochastic model.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {"area": "area %", "largest_eps_accuracy": "at the largest eps %"}

    eps: list[Epsilon]
    norm: Norm = "linf"
    tier: Tier = "fast"
    draws: Count = 10
    judging_draws: Count = 20

    def __post_init__(self) -> None:
        if not self.eps or min(self.eps) <= 0.0:
            raise ValueError("eps is a list of at least one radius, each above 0")
        self.eps = sorted(set(self.eps))

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), *EXAMINATION, *named_in((*members(self.tier), *last(self.tier)))]

    def run(self, subject: Subject) -> Outcome:
        """Runs the cascade at each eps, smallest first."""
        with subject.target.frozen():
            found = examine(subject, Ball(self.eps[-1], self.norm), self.draws)
            chosen = (*members(self.tier, spiking=found.census.spiking, lif=found.census.lif), *last(self.tier))
            cascade = Cascade(
                subject, Ball(self.eps[0], self.norm), self.draws, self.judging_draws, selecting=SELECTING
            )
            clean = cascade.robust_accuracy
            points: list[dict[str, Any]] = []
            shares, argmax = [cascade.clean_share], [cascade.clean_argmax_share]
            smallest = torch.full((len(subject.samples),), torch.inf)
            smallest[cascade.broken_by != SURVIVED] = 0.0
            for eps in self.eps:
                cascade.widen(Ball(eps, self.norm))
                with passing_through(subject.target, found.passes_through):
                    for member in chosen:
                        cascade.attack(member.stage())
                fallen = (cascade.broken_by != SURVIVED) & smallest.isinf()
                smallest[fallen] = eps
                shares.append(cascade.share.clone())  # the next radius lowers it in place
                argmax.append(cascade.argmax_share.clone())
                points.append({"eps": eps, "accuracy": cascade.robust_accuracy, "broken": int(fallen.sum())})
        heights = [clean, *(point["accuracy"] for point in points)]
        height, by_argmax = (
            np.trapezoid(torch.stack(columns).double().numpy(), [0.0, *self.eps], axis=0) / self.eps[-1]
            for columns in (shares, argmax)
        )
        area = float(height.mean())
        own = ["not_for_publication"] if self.tier in NOT_FOR_PUBLICATION else []
        return Outcome(
            metrics={
                "accuracy": area,
                "argmax_accuracy": float(by_argmax.mean()),
                "area": area,
                "clean_accuracy": clean,
                "largest_eps_accuracy": heights[-1],
            },
            columns={"correct": height, "smallest_eps": smallest.numpy()},
            details={
                "norm": self.norm,
                "tier": self.tier,
                "examination": found.row(),
                "curve": [{"eps": 0.0, "accuracy": clean}, *points],
            },
            flags=cascade_outcome(cascade, flags=[*own, *found.flags]).flags,
        )
