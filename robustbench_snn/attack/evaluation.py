"""What all evaluations that attack share: parameters, defaults, and running attacks within one ball."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import NonNegativeInt

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import SELECTING, Cascade, Stage
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.parameters import Count, Epsilon


class AttackEvaluation(Evaluation):
    """An evaluation that runs attacks against one model within one ball.

    Args:
        eps: radius of the ball in pixel units; a list gives one cell each.
        norm: ``linf`` or ``l2``.
        draws: EOT draws inside the attacks, for stochastic models.
        judging_draws: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    eps: Epsilon | list[Epsilon]
    norm: Norm = "linf"
    draws: Count = 10
    judging_draws: Count = 20
    keep_images: NonNegativeInt = 0

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """A list of eps becomes one cell each."""
        eps = parameters.get("eps")
        return [{**parameters, "eps": value} for value in eps] if isinstance(eps, list | tuple) else [parameters]

    @property
    def ball(self) -> Ball:
        """The admissible perturbations.

        Raises:
            ValueError: for several eps, which :meth:`split` has not cut into cells.
        """
        several = self.eps if isinstance(self.eps, list) else [self.eps]
        if len(several) != 1:
            raise ValueError(f"one cell has one eps, got {several}: call split() first")
        return Ball(several[0], self.norm)

    def cascade(self, subject: Subject, stages: int) -> Cascade:
        """A cascade of so many stages with nothing run yet but the clean pass."""
        selecting = SELECTING if stages > 1 else 1
        return Cascade(subject, self.ball, self.draws, self.judging_draws, self.keep_images, selecting)

    def run_stages(self, subject: Subject, *stages: Stage) -> Outcome:
        """Runs the stages in turn and returns robust accuracy by their union."""
        with subject.target.frozen():
            cascade = self.cascade(subject, len(stages))
            for stage in stages:
                cascade.attack(stage)
        return cascade_outcome(cascade)
