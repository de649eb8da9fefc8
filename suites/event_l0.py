"""Robust accuracy on event frames against the number of changed events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import tie_flags
from robustbench_snn.event_attack.attacking import Attacked, AttackName, EventAttack, attack_events
from robustbench_snn.event_attack.event_set import NONE
from robustbench_snn.event_attack.space import Space, Values
from robustbench_snn.parameters import Count
from robustbench_snn.registry.spec import TRAINING, EstimatorSpec

BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200)


@register_evaluation("event_l0", version=1, takes="events")
class EventL0(Evaluation):
    """Robust accuracy on event frames, as a curve over how many events an attack may add or remove.

    At a budget b, a sample is right if no b changes or fewer were found that fool the model; so the curve cannot rise,
    and a stronger attack lowers it. ``accuracy`` is the mean over the budgets, and ``correct`` the share of the budgets
    that each sample withstands. The attack is SDA (Lun et al., CVPR 2025, arXiv:2503.03272), in its published steps;
    ``saliency`` and ``random`` are controls. An entry changes by one event and once; see docs/event-attacks.md.

    Args:
        attack: ``sda``, ``saliency`` (the steepest entry, one gradient a change), or ``random`` (a random order, looked
            at where each budget ends).
        values: ``counts``, whole numbers from 0 to 255, one more or one less; or ``binary``, where frames are first
            made 0 and 1, and a change is a flip.
        budgets: numbers of changed events.
        steps: of SDA; 500 in the authors' code.
        candidates: of SDA: how many more single changes each step tries; 10 in the authors' code.
        cap: of SDA: a sample with more selected changes than this, before they are reduced, is given up; no bound if
            None, as in the authors' code.
        estimator: the backward pass used.
        keep_images: adversarial frames to keep, of the first so many samples.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "accuracy_at_10": "at 10 changed events %",
        "accuracy_at_100": "at 100 changed events %",
        "median_changes": "median changes that fool",
        "share_fooled": "fooled %",
        "clean_binary_accuracy": "clean, binary frames %",
        "mean_queries": "forward passes a sample",
    }

    attack: AttackName = "sda"
    values: Values = "counts"
    budgets: Annotated[list[Count], Field(min_length=1)] = field(default_factory=lambda: list(BUDGETS))
    steps: Count = 500
    candidates: Count = 10
    cap: Count | None = None
    estimator: EstimatorSpec = TRAINING
    keep_images: NonNegativeInt = 0

    def __post_init__(self) -> None:
        self.budgets = sorted(set(self.budgets))

    def run(self, subject: Subject) -> Outcome:
        """Runs one attack, and reads the whole curve off it."""
        attack = EventAttack(
            budgets=tuple(self.budgets),
            name=self.attack,
            space=Space(self.values),
            steps=self.steps,
            candidates=self.candidates,
            cap=self.cap,
            estimator=self.estimator,
        )
        with subject.target.frozen():
            found = attack_events(subject, attack, self.keep_images)
        rows = torch.stack([found.withstands(budget) for budget in self.budgets])
        fooled = found.clean & (found.changes != NONE)
        clean = float(found.clean.double().mean())
        curve = dict(zip(self.budgets, rows.double().mean(1).tolist(), strict=True))
        metrics = {"accuracy": float(rows.double().mean()), "clean_accuracy": clean}
        metrics |= {f"accuracy_at_{budget}": accuracy for budget, accuracy in curve.items()}
        attacked = int(found.clean.sum())
        if attacked:
            metrics["share_fooled"] = int(fooled.sum()) / attacked
            metrics["mean_queries"] = float(found.queries[found.clean].double().mean())
            metrics["mean_gradients"] = float(found.gradients[found.clean].double().mean())
        if fooled.any():
            metrics["median_changes"] = float(found.changes[fooled].double().quantile(0.5))
        if self.values == "binary":
            metrics["clean_binary_accuracy"] = clean
        return Outcome(
            metrics=metrics,
            columns={
                "correct": rows.double().mean(0).numpy(),
                "correct_clean": found.clean.numpy(),
                **{f"correct_at_{budget}": row.numpy() for budget, row in zip(self.budgets, rows, strict=True)},
                "changes": torch.where(found.changes == NONE, torch.inf, found.changes.double()).numpy(),
                "queries": found.queries.numpy(),
                "gradients": found.gradients.numpy(),
            },
            details={
                "threat_model": f"changed events, {self.values}",
                "attack": self.attack,
                "changes": [0, *self.budgets],
                "accuracies": [clean, *curve.values()],
            },
            flags=tie_flags(found.tied),
            arrays=self._kept(subject, found),
        )

    def _kept(self, subject: Subject, found: Attacked) -> dict[str, NDArray[np.float32]]:
        """Clean and adversarial frames of the first samples, those that nothing fools as they are."""
        kept = torch.arange(min(self.keep_images, len(subject.samples)))
        if not len(kept):
            return {}
        clean = Space(self.values).frames(subject.samples.images(kept))
        adversarial = [found.frames.get(position, clean[position]) for position in kept.tolist()]
        return {"clean": clean.numpy(), "adversarial": torch.stack(adversarial).numpy()}
