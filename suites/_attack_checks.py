"""Checks of attacks on one model: do they behave as attacks that work must?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.registry import attacks
from robustbench_snn.registry.spec import TRAINING, ComponentSpec

POINT = 0.01
FOREIGN = (
    ComponentSpec(name="atan", parameters={"alpha": 2.0}),
    ComponentSpec(name="triangle", parameters={"gamma": 1.0}),
    ComponentSpec(name="rectangle", parameters={"width": 1.0}),
)
FLAGS = (
    "accuracy_rises_with_eps",
    "more_steps_help_defender",
    "unbounded_attack_fails",
    "black_box_beats_white_box",
    "noise_beats_attack",
    "restarts_matter",
    "foreign_gradients_stronger",
    "loss_still_rising",
    "last_iterate_gap",
    "rounding_undoes_attack",
)
"""What :class:`AttackChecks` may raise."""


@dataclass
class AttackChecks:
    """Runs attacks of one kind with one thing changed at a time; the target is frozen.

    Attributes:
        subject: the model and a few dozen samples.
        eps: radius.
        norm: of the ball.
        steps: of PGD; some checks take twice as many.
        queries: of Square.
        found: what was measured.
        flags: raised so far.
    """

    subject: Subject
    eps: float
    norm: Norm
    steps: int
    queries: int
    found: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def run(self) -> None:
        """All checks."""
        for check in self._checks():
            check()

    def _checks(self) -> list[Callable[[], None]]:
        return [
            self.base,
            self.radii,
            self.more_steps,
            self.unbounded,
            self.black_box,
            self.noise,
            self.restarts,
            self.foreign,
            self.last_iterate,
            self.rounding,
        ]

    def flag(self, name: str, raised: bool) -> None:
        """Raises a flag, or not."""
        assert name in FLAGS, name
        if raised:
            self.flags.append(name)

    def cascade(self, eps: float | None = None, keep_images: int = 0) -> Cascade:
        """A fresh cascade."""
        return Cascade(self.subject, Ball(self.eps if eps is None else eps, self.norm), keep_images=keep_images)

    def pgd(self, eps: float | None = None, estimator: ComponentSpec = TRAINING, **changed: Any) -> Cascade:
        """PGD with one thing changed."""
        cascade = self.cascade(eps, keep_images=len(self.subject.samples))
        cascade.attack(stage("pgd", attacks.create("pgd", **{"steps": self.steps, **changed}), estimator))
        return cascade

    def base(self) -> None:
        """The attack that the others are compared with."""
        self.reference = self.pgd()
        self.found["pgd"] = self.reference.robust_accuracy

    def radii(self) -> None:
        """A larger ball never helps the defender."""
        curve = {self.eps: self.reference.robust_accuracy}
        curve |= {
            eps: self.pgd(eps).robust_accuracy for eps in (self.eps / 2, min(2 * self.eps, 1.0)) if eps not in curve
        }
        heights = [curve[eps] for eps in sorted(curve)]
        self.found["curve"] = [{"eps": eps, "accuracy": curve[eps]} for eps in sorted(curve)]
        self.flag("accuracy_rises_with_eps", any(b > a + POINT for a, b in pairwise(heights)))

    def more_steps(self) -> None:
        """More steps never help the defender; one sample may turn either way by chance.

        Steps are sized by their number, 2.5 eps / steps (Madry et al., 2018, arXiv:1706.06083): the first N of 2N
        steps of one size are the N steps themselves, and could never do better.
        """
        few, many = (
            self.pgd(steps=steps, alpha=min(2.5 * self.eps / steps, 1.0)).robust_accuracy
            for steps in (self.steps, 2 * self.steps)
        )
        self.found |= {"pgd_sized_by_steps": few, "pgd_sized_by_twice_the_steps": many}
        self.flag("more_steps_help_defender", many > few + POINT + 1.0 / len(self.subject.samples))

    def unbounded(self) -> None:
        """With every image allowed, nothing stays right."""
        eps = 1.0 if self.norm == "linf" else float(self.subject.samples.images(torch.tensor([0])).numel()) ** 0.5
        alpha = 0.1 if self.norm == "linf" else min(eps / 20, 1.0)
        self.found["unbounded"] = self.pgd(eps, steps=2 * self.steps, alpha=alpha).robust_accuracy
        self.flag("unbounded_attack_fails", self.found["unbounded"] > 0.05)

    def black_box(self) -> None:
        """What gradients could not break, a blind search cannot either."""
        cascade = self.pgd(steps=2 * self.steps)
        before = len(cascade.standing)
        cascade.attack(stage("square", attacks.create("square", queries=self.queries)))
        self.found["broken_by_square_only"] = before - len(cascade.standing)
        share = self.found["broken_by_square_only"] / len(self.subject.samples)
        self.flag("black_box_beats_white_box", share > POINT)

    def noise(self) -> None:
        """An attack beats random noise of its size."""
        cascade = self.cascade()
        cascade.attack(stage("noise", attacks.create("noise", tries=self.steps)))
        self.found["noise"] = cascade.robust_accuracy
        self.flag("noise_beats_attack", self.found["noise"] < self.found["pgd"])

    def restarts(self) -> None:
        """More starts gain little."""
        self.found["pgd_5_restarts"] = self.pgd(restarts=5).robust_accuracy
        self.flag("restarts_matter", self.found["pgd"] - self.found["pgd_5_restarts"] > 0.05)

    def foreign(self) -> None:
        """No other surrogate attacks better than the model's own."""
        least = (
            min(self.pgd(estimator=spec).robust_accuracy for spec in FOREIGN) if self.subject.target.neurons else 1.0
        )
        self.found["pgd_best_foreign_surrogate"] = least
        self.flag("foreign_gradients_stronger", least < self.found["pgd"] - POINT)

    def last_iterate(self) -> None:
        """The loss has flattened, and the last iterate is about as good as the best."""
        losses = torch.zeros(self.steps, dtype=torch.float64)
        right: list[Tensor] = []
        for batch in self.subject.samples.batches(self.subject.batch_size, self.subject.device):
            target, ball = self.subject.target, Ball(self.eps, self.norm)
            active = ActiveSet(
                target, batch, ball, batch.random(self.subject.seed, "pgd"), batch_size=len(batch), leave=False
            )
            images = active.start(0)
            for step in range(self.steps):
                slope = active.gradient(images)
                losses[step] += slope.loss.double().sum().cpu()
                images = active.project(images + self.eps / 4 * ball.ascent(slope.gradient))
            right.append(correct(active.note(images).logits, batch.labels).cpu())
        curve = (losses / len(self.subject.samples)).tolist()
        last, before = curve[-1], curve[-max(self.steps // 10, 1) - 1]
        self.found |= {"loss_curve": curve, "last_iterate": float(torch.cat(right).double().mean())}
        self.flag("loss_still_rising", last > before * 1.02 + 1e-6)
        self.flag("last_iterate_gap", self.found["last_iterate"] - self.found["pgd"] > 0.05)

    def rounding(self) -> None:
        """Stored as 8-bit pixels and read back, adversarial images still fool."""
        cascade, broken = self.reference, (self.reference.broken_by > 0).nonzero()[:, 0]
        undone = 0
        if not len(broken):
            return
        for batch in self.subject.samples.batches(self.subject.batch_size, self.subject.device, broken):
            images = torch.stack([cascade.images[row] for row in batch.positions.tolist()]).to(batch.images.device)
            stored = (images * 255.0).round().to(torch.uint8).to(torch.float32) / 255.0
            half_level = 0.5 / 255.0 * (1.0 if self.norm == "linf" else stored[0].numel() ** 0.5)
            inside = Ball(self.eps + half_level, self.norm).contains(stored, batch.images)
            with torch.no_grad():
                logits = self.subject.target(stored, batch.random(self.subject.seed, "rounding"))
            undone += int((correct(logits, batch.labels) | ~inside).sum())
        self.found["undone_by_rounding"] = undone / max(len(broken), 1)
        self.flag("rounding_undoes_attack", self.found["undone_by_rounding"] > 0.05)
