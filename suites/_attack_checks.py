"""Checks of the strongest white-box attack on one model: does it behave as an attack that works must?"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.suites import _one_attack, _stored_images
from robustbench_snn.suites._one_attack import course
from robustbench_snn.suites._stored_images import undone
from robustbench_snn.suites._white_box import ASSG, FOREIGN, LONGER, white_box, white_box_union
from robustbench_snn.suites.attacks.noise import Noise
from robustbench_snn.suites.attacks.sa_pgd import SAPGD
from robustbench_snn.suites.attacks.square import Square

POINT = 0.01
MORE_STARTS = 4
COMPONENTS = (("attacks", "square"), ("attacks", "noise"))
"""Kinds and names of what runs here besides the union."""
FLAGS = (
    "accuracy_rises_with_eps",
    "more_steps_help_defender",
    "unbounded_attack_fails",
    "black_box_beats_white_box",
    "noise_beats_attack",
    "restarts_matter",
    "foreign_gradients_stronger",
    *_one_attack.FLAGS,
    *_stored_images.FLAGS,
)
"""What :class:`AttackChecks` may raise."""


@dataclass
class AttackChecks:
    """Compares the union of :func:`white_box` with itself under one change, and with attacks that must be weaker.

    What two attacks leave standing differs by more than one sample before anything is said of it: one turns by chance.

    Attributes:
        subject: the model, frozen, and a few dozen samples.
        ball: admissible perturbations.
        steps: of PGD in the union, whose other members take twice as many; some checks double both.
        queries: of Square.
        spiking: whether estimators act on the model.
        found: what was measured: shares of the samples left standing, unless said otherwise.
        flags: raised so far.
    """

    subject: Subject
    ball: Ball
    steps: int
    queries: int
    spiking: bool
    found: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def run(self) -> None:
        """All checks; the order matters, for later ones go on from the attacks of earlier ones."""
        reference = self.union(self.ball)
        self.found["union"] = reference.robust_accuracy
        self.radii()
        self.unbounded()
        self.noise()
        self.foreign()
        self.course()
        self.rounding(reference)
        everything = self.more_steps().joined(reference)
        self.restarts(everything)
        self.black_box(everything)

    def union(self, ball: Ball, times: int = 1) -> Cascade:
        """The attack that is judged, with so many times its steps."""
        return white_box_union(self.subject, ball, times * self.steps, spiking=self.spiking)

    def flag(self, name: str, raised: bool) -> None:
        """Raises a flag, or not."""
        assert name in FLAGS, name
        if raised:
            self.flags.append(name)

    def above(self, higher: float, lower: float, by: float) -> bool:
        """Whether one share of the samples exceeds another by more than so much, and by more than one sample."""
        return higher - lower > max(by, 1.0 / len(self.subject.samples)) + 1e-9

    def radii(self) -> None:
        """A larger ball never helps the defender."""
        curve = {self.ball.eps: float(self.found["union"])}
        for eps in (self.ball.eps / 2, min(2 * self.ball.eps, 1.0)):
            if eps not in curve:
                curve[eps] = self.union(Ball(eps, self.ball.norm)).robust_accuracy
        heights = [curve[eps] for eps in sorted(curve)]
        self.found["curve"] = [{"eps": eps, "accuracy": curve[eps]} for eps in sorted(curve)]
        self.flag("accuracy_rises_with_eps", any(self.above(b, a, POINT) for a, b in pairwise(heights)))

    def unbounded(self) -> None:
        """With every image allowed, nothing stays right."""
        size = self.subject.samples.images(torch.tensor([0])).numel()
        whole = Ball(1.0 if self.ball.norm == "linf" else float(size) ** 0.5, self.ball.norm)
        self.found["unbounded"] = self.union(whole).robust_accuracy
        self.flag("unbounded_attack_fails", self.found["unbounded"] > 0.05)

    def noise(self) -> None:
        """An attack beats as many random images of its ball as it takes steps."""
        cascade = Cascade(self.subject, self.ball)
        cascade.attack(stage("noise", Noise(tries=(1 + 2 * LONGER) * self.steps)))
        self.found["noise"] = cascade.robust_accuracy
        self.flag("noise_beats_attack", self.above(self.found["union"], self.found["noise"], 0.0))

    def foreign(self) -> None:
        """No single attack under a surrogate that is in no member leaves fewer standing than all members together."""
        least = 1.0
        for spec in FOREIGN if self.spiking else ():
            cascade = Cascade(self.subject, self.ball)
            cascade.attack(stage("foreign", SAPGD(steps=LONGER * self.steps), spec))
            least = min(least, cascade.robust_accuracy)
        self.found["best_foreign_surrogate"] = least
        self.flag("foreign_gradients_stronger", self.above(self.found["union"], least, POINT))

    def course(self) -> None:
        """One attack, alone: its loss has flattened, and its last iterate is about as good as its best."""
        found, flags = course(self.subject, self.ball, LONGER * self.steps, ASSG if self.spiking else None)
        self.found |= found
        for name in flags:
            self.flag(name, True)

    def rounding(self, reference: Cascade) -> None:
        """Stored as 8-bit pixels and read back, adversarial images still fool, or others near them do."""
        count = undone(reference, self.steps, ASSG if self.spiking else None)
        broken = int((reference.broken_by > 0).sum())
        self.found["undone_by_rounding"] = count / max(broken, 1)
        self.flag("rounding_undoes_attack", count > max(1, 10 * POINT * broken))

    def more_steps(self) -> Cascade:
        """Twice the steps never help the defender."""
        doubled = self.union(self.ball, 2)
        self.found["union_of_twice_the_steps"] = doubled.robust_accuracy
        self.flag("more_steps_help_defender", self.above(doubled.robust_accuracy, self.found["union"], POINT))
        return doubled

    def restarts(self, cascade: Cascade) -> None:
        """More random starts of every member gain little over all attacks so far."""
        before = cascade.robust_accuracy
        for member in white_box(self.ball, self.steps, spiking=self.spiking, restarts=MORE_STARTS, label="more starts"):
            cascade.attack(member)
        after = cascade.robust_accuracy
        self.found |= {"all": before, "all_and_more_starts": after}
        self.flag("restarts_matter", self.above(before, after, 10 * POINT))

    def black_box(self, cascade: Cascade) -> None:
        """What all white-box attacks together could not break, a blind search cannot either."""
        before = cascade.robust_accuracy
        cascade.attack(stage("square", Square(queries=self.queries)))
        after = cascade.robust_accuracy
        self.found["all_and_square"] = after
        self.flag("black_box_beats_white_box", self.above(before, after, 2 * POINT))
