"""Accuracy against the number of timesteps at inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from robustbench_snn.columns import Column
from robustbench_snn.conditions.condition import Condition, ConditionSpec
from robustbench_snn.conditions.judging import probe_of, shares_right
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.timesteps.curve import curve_metrics
from robustbench_snn.timesteps.sweep import overruns, plan_sweep, trained_timesteps

Steps = Annotated[int, Field(ge=1, le=1024)]


@register_evaluation("timesteps", version=2)  # 1 wrote the eps in names of conditions as decimal numbers
class Timesteps(Evaluation):
    """Accuracy at each inference T of a model trained at one T, under one or more conditions.

    For a causal encoder, backbone and readout one pass at the largest T serves every T; the record says which way was
    taken and why, and what the encoder did beyond its T of training. ``accuracy`` is the first condition's at the T
    of training; the other conditions' metrics carry their name in front.

    Args:
        timesteps: the T at inference; ``auto`` is 1 to twice the T of training. The T of training is always among them.
        conditions: what the images are put through: ``clean``, a corruption, an attack, or an attack on corrupted
            images (see :class:`robustbench_snn.conditions.condition.Condition`).
        draws: forward passes of a stochastic model, with the random streams of the evaluation ``clean``.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "accuracy": "at the T of training %",
        "area": "area %",
        "smallest_timesteps": "smallest T within 1 point",
        "drop_to_T1": "drop to T=1 %",
    }

    timesteps: Annotated[list[Steps], Field(min_length=1)] | Literal["auto"] = "auto"
    conditions: Annotated[list[ConditionSpec], Field(min_length=1)] = field(default_factory=lambda: [Condition()])
    draws: Count = 20

    def __post_init__(self) -> None:
        names = [condition.name for condition in self.conditions]
        if len(set(names)) < len(names):
            raise UserError(f"conditions are listed twice: {', '.join(names)}")

    @classmethod
    def repeats(cls, parameters: Mapping[str, Any]) -> str | None:
        """The accuracy of the first condition is that of ``clean``, if that condition is."""
        return "clean" if parameters["conditions"][0] == Condition() else None

    def run(self, subject: Subject) -> Outcome:
        """Sweeps T under each condition."""
        trained = trained_timesteps(subject.target)
        wanted = range(1, 2 * trained + 1) if self.timesteps == "auto" else {*self.timesteps, trained}
        sweep = plan_sweep(subject.target, tuple(wanted), *probe_of(subject))
        done, total = 0, len(subject.samples) * len(self.conditions)

        def report(samples: int) -> None:
            nonlocal done
            done += samples
            subject.progress(done, total)

        metrics: dict[str, float] = {}
        columns: dict[str, Column] = {}
        curves: dict[str, Any] = {}
        for number, condition in enumerate(self.conditions):
            hits = shares_right(subject, sweep, condition, self.draws, report)
            accuracies = hits.double().mean(1).tolist()
            front, back = ("", "") if number == 0 else (f"{condition.name}/", f"_{condition.name}")
            found = curve_metrics(sweep.timesteps, accuracies, trained)
            metrics |= {front + name: value for name, value in found.items()}
            columns |= _columns(sweep.timesteps, hits if subject.target.stochastic else hits.bool(), trained, back)
            curves[condition.name] = {"accuracies": accuracies, **condition.details()}
        details = {
            "timesteps": list(sweep.timesteps),
            "trained_timesteps": trained,
            "way": sweep.way,
            "reason": sweep.reason,
            "overrun": overruns(subject.target, sweep.timesteps),
            "conditions": curves,
        }
        return Outcome(metrics=metrics, columns=columns, details=details)


def _columns(timesteps: Sequence[int], shares: Tensor, trained: int, back: str) -> dict[str, Column]:
    """``correct`` and ``correct_T<n>`` from shares of right draws (S, N), or bool (S, N)."""
    rows = {steps: row.numpy() for steps, row in zip(timesteps, shares, strict=True)}
    return {f"correct{back}": rows[trained]} | {f"correct_T{steps}{back}": row for steps, row in rows.items()}
