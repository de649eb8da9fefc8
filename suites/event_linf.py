"""Robust accuracy on event frames under PGD that leaves the space of events: a relaxed threat model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.losses import LossName
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset.event_frames import MOST
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.registry.spec import TRAINING, EstimatorSpec
from robustbench_snn.suites.attacks.pgd import PGD

Counts = Annotated[float, Field(gt=0, le=MOST)]


@register_evaluation("event_linf", version=2, takes="events")
class EventLinf(Evaluation):
    """Robust accuracy under PGD (arXiv:1706.06083) on real-valued event frames: a relaxed threat model.

    Every entry moves by up to ``eps`` and stays in [0, 255]. Half an event is none that a sensor could report, so these
    frames are no event frames; the number tells how near a model is to another answer, and compares with no column of
    ``event_l0`` and with no ``eps`` of pixels. The attack is that of ``pgd``, its steps a quarter of eps.

    Args:
        eps: radius in counts of events; a list gives one cell each.
        steps: gradient steps.
        restarts: runs from fresh random starts.
        loss: what is maximised.
        estimator: the backward pass used.
        draws: EOT draws inside the attack, for stochastic models.
        judging_draws: fresh draws that judge a stochastic model.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {"relaxed_accuracy": "relaxed, frames are no events %"}

    eps: Counts | Annotated[list[Counts], Field(min_length=1)]
    steps: Count = 10
    restarts: Count = 1
    loss: LossName = "ce"
    estimator: EstimatorSpec = TRAINING
    draws: Count = 10
    judging_draws: Count = 20

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """A list of eps becomes one cell each."""
        eps = parameters["eps"]
        return [{**parameters, "eps": value} for value in eps] if isinstance(eps, list) else [parameters]

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), ("attacks", "pgd")]

    def run(self, subject: Subject) -> Outcome:
        """Runs all restarts within one radius."""
        assert not isinstance(self.eps, list), "split() makes a cell of each"
        attack = PGD(steps=self.steps, restarts=self.restarts, loss=self.loss)
        with subject.target.frozen():
            cascade = Cascade(subject, Ball(self.eps, most=float(MOST)), self.draws, self.judging_draws)
            cascade.attack(stage("event_linf", attack, self.estimator))
        outcome = cascade_outcome(cascade, details={"threat_model": "relaxed: real-valued frames, not events"})
        return replace(outcome, metrics={**outcome.metrics, "relaxed_accuracy": outcome.metrics["accuracy"]})
