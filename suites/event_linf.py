"""Robust accuracy on event frames under PGD that leaves the space of events: a relaxed threat model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.event_frames import MOST
from robustbench_snn.evaluation.contract import Outcome, Subject, register_evaluation
from robustbench_snn.suites.pgd import PGDEvaluation

Counts = Annotated[float, Field(gt=0, le=MOST)]


@register_evaluation("event_linf", version=1, takes="events")
class EventLinf(PGDEvaluation):
    """Robust accuracy under PGD (arXiv:1706.06083) on real-valued event frames: a relaxed threat model.

    Every entry moves by up to ``eps`` and stays in [0, 255]. Half an event is none that a sensor could report, so that
    these frames are no event frames; the number tells how far a model is from its decision, and compares with no column
    of ``event_l0`` and with no ``eps`` of pixels. The attack itself is that of ``pgd``.

    Args:
        eps: radius in counts of events; a list gives one cell each.
        norm: ``linf``.
        alpha: step size in counts, at most 1; a quarter of eps if None.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {"accuracy": "relaxed: frames are no events %"}

    eps: Counts | list[Counts]
    norm: Literal["linf"] = "linf"

    @property
    def ball(self) -> Ball:
        """Real-valued frames within eps of the clean ones, in [0, 255]."""
        return replace(super().ball, most=float(MOST))

    def run(self, subject: Subject) -> Outcome:
        """Runs all restarts; see :class:`PGDEvaluation`."""
        outcome = super().run(subject)
        return replace(outcome, details={"threat_model": "relaxed", **outcome.details})
