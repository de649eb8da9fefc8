"""Accuracy on event frames against the number of timesteps at inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from robustbench_snn.conditions.condition import Condition
from robustbench_snn.conditions.judging import probe_of, shares_right
from robustbench_snn.dataset.event_frames import EventSamples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.timesteps.curve import curve_metrics
from robustbench_snn.timesteps.sweep import overruns, plan_sweep, trained_timesteps

Steps = Annotated[int, Field(ge=1, le=1024)]


@register_evaluation("event_timesteps", version=1, takes="events")
class EventTimesteps(Evaluation):
    """Accuracy at each inference T on event frames, of their first T or of the whole recording cut into T.

    A ``prefix`` asks how soon a model knows: it sees the first T of the F frames, as a run that is stopped early. A
    ``rebin`` asks for other frames of the same recording: neighbours are added up where T divides F, and raw events are
    cut anew elsewhere; the record says which for each T. ``accuracy`` is that at the T of training.

    Args:
        how: ``prefix`` or ``rebin``.
        timesteps: the T at inference, with that of training. ``auto`` is 1 to F for prefixes, and the divisors of F for
            frames that are made anew.
        draws: forward passes of a stochastic model, with the random streams of the evaluation ``clean``.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "accuracy": "at the T of training %",
        "area": "area %",
        "smallest_timesteps": "smallest T within 1 point",
        "drop_to_T1": "drop to T=1 %",
    }

    how: Literal["prefix", "rebin"] = "prefix"
    timesteps: Annotated[list[Steps], Field(min_length=1)] | Literal["auto"] = "auto"
    draws: PositiveInt = 20

    @classmethod
    def repeats(cls, parameters: Mapping[str, Any]) -> str | None:
        """The prefix of the T of training is what ``clean`` sees."""
        return "clean" if parameters["how"] == "prefix" else None

    def run(self, subject: Subject) -> Outcome:
        """Sweeps T one way or the other."""
        trained, frames = trained_timesteps(subject.target), subject.samples.images(torch.tensor([0])).shape[1]
        wanted = sorted({*self._asked(frames), trained})
        if self.how == "prefix" and wanted[-1] > frames:
            raise UserError(f"event_timesteps: no prefix of {wanted[-1]} steps: recordings have {frames} frames")
        hits, ways = (self._prefixes if self.how == "prefix" else self._rebinned)(subject, wanted, frames)
        accuracies = hits.double().mean(1).tolist()
        kept = hits if subject.target.stochastic else hits.bool()
        rows = {steps: row.numpy() for steps, row in zip(wanted, kept, strict=True)}
        return Outcome(
            metrics=dict(curve_metrics(wanted, accuracies, trained)),
            columns={"correct": rows[trained]} | {f"correct_T{steps}": row for steps, row in rows.items()},
            details={
                "how": self.how,
                "frames": frames,
                "timesteps": wanted,
                "trained_timesteps": trained,
                "ways": dict(zip(map(str, wanted), ways, strict=True)),
                "overrun": overruns(subject.target, wanted),
                "accuracies": accuracies,
            },
        )

    def _asked(self, frames: int) -> list[int]:
        if self.timesteps != "auto":
            return self.timesteps
        return [steps for steps in range(1, frames + 1) if self.how == "prefix" or frames % steps == 0]

    def _prefixes(self, subject: Subject, wanted: list[int], frames: int) -> tuple[Tensor, list[str]]:
        """Share of right draws, float32 (S, N), and what each T was shown."""
        sweep = plan_sweep(subject.target, wanted, *probe_of(subject))
        done = 0

        def report(samples: int) -> None:
            nonlocal done
            done += samples
            subject.progress(done, len(subject.samples))

        hits = shares_right(subject, sweep, Condition(), self.draws, report)
        return hits, [f"the first {steps} of {frames} frames, {sweep.way}: {sweep.reason}" for steps in wanted]

    def _rebinned(self, subject: Subject, wanted: list[int], frames: int) -> tuple[Tensor, list[str]]:
        samples = subject.samples
        if not isinstance(samples, EventSamples):
            raise UserError("event_timesteps: these samples cannot be cut into other frames; take how: prefix")
        draws = self.draws if subject.target.stochastic else 1
        parts = []
        for batch in samples.batches(subject.batch_size, subject.device):
            hits = torch.zeros(len(wanted), len(batch), device=batch.labels.device)
            for row, steps in enumerate(wanted):
                images = samples.rebinned(batch.positions, steps).to(batch.images.device)
                for draw in range(draws):
                    with torch.no_grad():
                        random = batch.random(subject.seed, "clean", draw)
                        answer = subject.target(images, random, timesteps=steps)
                    hits[row] += correct(answer, batch.labels)
            parts.append((hits / draws).cpu())
            subject.progress(sum(part.shape[1] for part in parts), len(samples))
        ways = ["cut anew from events" if frames % steps else f"{frames // steps} frames added up" for steps in wanted]
        return torch.cat(parts, 1), ways
