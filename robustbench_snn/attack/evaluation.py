"""What all evaluations that attack share: parameters, defaults, and running one attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import SELECTING, Cascade, Stage
from robustbench_snn.attack.outcome import cascade_outcome
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.parameters import Epsilon

Eps = Epsilon | list[Epsilon]
"""One size, or several: each then becomes a cell of its own."""
Count = Annotated[int, Field(ge=1)]
Images = Annotated[int, Field(ge=0)]


def split_eps(parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """One set of parameters for each eps."""
    eps = parameters.get("eps")
    return [{**parameters, "eps": value} for value in eps] if isinstance(eps, list | tuple) else [parameters]


class AttackEvaluation(Evaluation):
    """An evaluation that runs stages against one model within one ball.

    Args:
        eps: radius of the ball.
        norm: ``linf`` or ``l2``.
        draws: EOT draws, for stochastic models.
        evaluations: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    def __init__(
        self, *, eps: float, norm: Norm = "linf", draws: int = 10, evaluations: int = 20, keep_images: int = 0
    ) -> None:
        self.ball = Ball(eps, norm)
        self.draws = draws
        self.evaluations = evaluations
        self.keep_images = keep_images

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """A list of eps becomes one cell each."""
        return split_eps(parameters)

    def cascade(self, subject: Subject, stages: int) -> Cascade:
        """A cascade of so many stages with nothing run yet but the clean pass."""
        selecting = SELECTING if stages > 1 else 1
        return Cascade(subject, self.ball, self.draws, self.evaluations, self.keep_images, selecting)

    def attack(self, subject: Subject, *stages: Stage) -> Outcome:
        """Runs the stages in turn and returns robust accuracy by their union."""
        with subject.target.frozen():
            cascade = self.cascade(subject, len(stages))
            for stage in stages:
                cascade.attack(stage)
        return cascade_outcome(cascade)


def only_one(eps: Eps) -> float:
    """The one eps of a cell that :func:`split_eps` has cut.

    Raises:
        ValueError: for several.
    """
    if isinstance(eps, list):
        if len(eps) != 1:
            raise ValueError(f"one cell has one eps, got {eps}: call split() first")
        return eps[0]
    return eps
