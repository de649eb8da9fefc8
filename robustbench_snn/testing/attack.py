"""What every attack must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.contract import Attack
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.correctness import correct, margin
from robustbench_snn.model.target import Target
from robustbench_snn.registry import attacks, evaluations
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.results import CheckResult, check_component, require
from robustbench_snn.testing.subject import samples_for, small_target, untouched
from robustbench_snn.testing.watching import CountingTarget, Masked, ScaledTarget, WatchedSet

SCALES = (50.0, 1e-6, 1e6)
"""What logits are multiplied by: one number for all of them changes no prediction, and must change no attack."""
EPS: Mapping[Norm, float] = {"linf": 0.05, "l2": 0.5}
"""A radius at which attacks on the kit's model fool some samples and not others."""


class AttackConformance:
    """The checks of an attack; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to build it with; few steps keep the checks fast.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}

    def build(self) -> Attack:
        """A fresh attack."""
        attack: Attack = attacks.create(self.component, **self.parameters)
        return attack

    def norms(self) -> tuple[Norm, ...]:
        """The norms that it is declared for."""
        return tuple(attacks.get(self.component).declaration.traits.norms)

    def attack(
        self,
        target: Target,
        samples: Samples,
        norm: Norm,
        eps: float | None = None,
        *,
        batch_size: int = 8,
        seed: int = 0,
        leave: bool = True,
    ) -> WatchedSet:
        """One run on all samples; what it found is in the active set that is returned."""
        batch = next(samples.batches(len(samples)))
        ball = Ball(EPS[norm] if eps is None else eps, norm)
        with target.frozen():
            active = WatchedSet(
                target, batch, ball, batch.random(seed, "conformance"), batch_size=batch_size, draws=2, leave=leave
            )
            self.build().run(active)
        return active

    def test_norms(self) -> None:
        """Runs in the norms that it declares, and is refused in the others."""
        declared, target = self.norms(), small_target()
        require(declared, "declares no norm; norms=('linf', 'l2') names those that it is defined for")
        for norm in EPS:
            if norm in declared:
                self.attack(target, samples_for(target, 2), norm)
                continue
            try:
                evaluations.create("attack", attack={self.component: dict(self.parameters)}, eps=0.1, norm=norm)
            except UserError:
                continue
            require(False, f"is not declared for {norm}, and runs in it all the same")

    def test_stays_inside_the_ball(self) -> None:
        """Every image it asks about is one, in [0, 1]; every image it leaves is in the ball too."""
        target = small_target()
        samples = samples_for(target)
        for norm in self.norms():
            active = self.attack(target, samples, norm)
            clean = samples.images(torch.arange(len(samples)))
            require(
                bool(active.ball.contains(active.best, clean).all()),
                f"{norm}: leaves images outside the ball or outside [0, 1]",
            )
            require(active.legal, f"{norm}: asks about images outside [0, 1]; active.project them")

    def test_fools(self) -> None:
        """In a ball without limits it fools somebody: images that the ball refuses fool nobody."""
        target = small_target()
        samples = samples_for(target)
        for norm in self.norms():
            eps = 1.0 if norm == "linf" else float(samples.images(torch.tensor([0])).numel()) ** 0.5
            active = self.attack(target, samples, norm, eps)
            require(active.fooled.any(), f"{norm}: fools nobody though every image is allowed; does it project?")

    def test_lowers_the_margin(self) -> None:
        """The last images asked about have smaller margins than the clean ones; of a blind search, the best."""
        target = small_target()
        samples = samples_for(target)
        clean = samples.images(torch.arange(len(samples)))
        follows = attacks.get(self.component).declaration.traits.gradient
        for norm in self.norms():
            active = self.attack(target, samples, norm, 2.0 * EPS[norm])
            found = active.last if follows else active.best
            before, after = (float(margin(_logits(target, images), samples.labels).mean()) for images in (clean, found))
            require(
                after <= before,
                f"{norm}: the mean margin is {after:.3g}, that of the clean images {before:.3g}; is a sign wrong?",
            )

    def test_keeps_what_fooled(self) -> None:
        """Best iterate: who is called fooled is fooled in a fresh forward pass, and nobody else."""
        target = small_target()
        samples = samples_for(target)
        for norm in self.norms():
            active = self.attack(target, samples, norm, 2.0 * EPS[norm])
            right = correct(_logits(target, active.best), samples.labels)
            wrong_claims, missed = int((active.fooled & right).sum()), int((~active.fooled & ~right).sum())
            require(not wrong_claims, f"{norm}: {wrong_claims} images said to fool do not in a fresh forward pass")
            require(not missed, f"{norm}: {missed} images fool, and their samples are said to stand")

    def test_no_room_fools_nobody(self) -> None:
        """With an eps of almost zero nobody is fooled who was right on the clean image."""
        target = small_target()
        samples = samples_for(target)
        for norm in self.norms():
            fooled = int(self.attack(target, samples, norm, 1e-9).fooled.sum())
            require(not fooled, f"{norm}: {fooled} samples are fooled within eps = 1e-9; claims are wrong")

    def test_deterministic_under_a_seed(self) -> None:
        """The same streams give the same images, on deterministic and stochastic models; torch's own are not drawn."""
        for encoder in ("direct", "rate"):
            target = small_target(encoder=encoder)
            samples = samples_for(target)
            state = torch.get_rng_state()
            first, second = (self.attack(target, samples, self.norms()[0]) for _ in range(2))
            require(
                torch.equal(state, torch.get_rng_state()),
                f"draws from torch's global generator (encoder {encoder}); draw from active.random.fold(...)",
            )
            _require_same(first, second, slice(None), f"two runs with the same streams (encoder {encoder})")

    def test_independent_of_batch_size(self) -> None:
        """1, 3 or 8 samples at once: the same images, on deterministic and stochastic models."""
        for encoder in ("direct", "rate"):
            target = small_target(encoder=encoder)
            samples = samples_for(target)
            for norm in self.norms():
                whole = self.attack(target, samples, norm)
                for size in (1, 3):
                    other = self.attack(target, samples, norm, batch_size=size)
                    _require_same(whole, other, slice(None), f"{norm}: batch sizes 8 and {size} (encoder {encoder})")

    def test_independent_of_batch_mates(self) -> None:
        """A sample meets the same fate among other samples, and in another place."""
        target = small_target()
        samples = samples_for(target)
        chosen = torch.tensor([5, 0, 3])
        for norm in self.norms():
            whole, few = (self.attack(target, part, norm) for part in (samples, samples.subset(chosen)))
            _require_same(whole, few, chosen, f"{norm}: a sample among 8 and among 3")

    def test_counts_queries(self) -> None:
        """Every sample attacked has queries, and no more than forward passes were made."""
        target = CountingTarget(small_target().model)
        samples = samples_for(target)
        target.seen = 0
        active = self.attack(target, samples, self.norms()[0])
        require(bool((active.queries > 0).all()), "samples were attacked and no query was counted for them")
        total = int(active.queries.sum())
        require(total <= target.seen, f"{total} queries are counted, and only {target.seen} images were shown")

    def test_independent_of_scale(self) -> None:
        """Logits 50 or a million times as large, or as small, leave robust accuracy where it was, within one sample."""
        target = small_target()
        samples = samples_for(target, 16)
        norm = self.norms()[0]
        plain = int(self.attack(target, samples, norm, 0.5 * EPS[norm]).fooled.sum())
        for scale in SCALES:
            found = int(self.attack(ScaledTarget(target, scale), samples, norm, 0.5 * EPS[norm]).fooled.sum())
            require(
                abs(found - plain) <= 1,
                f"{norm}: fools {plain} of 16 samples, and {found} once the logits are multiplied by {scale:g}; "
                "use a loss without a scale ('ce', 'margin', 'dlr', 'tet') and normalised steps",
            )

    def test_without_a_gradient(self) -> None:
        """A model whose gradient is zero, or that has none, is attacked in vain and without a crash."""
        images = samples_for(small_target(), 4).images(torch.arange(4))
        for detached in (False, True):
            target = Target(Masked(images[0].numel(), detached))
            samples = ArraySamples(images, target(images).argmax(1))
            for norm in self.norms():
                active = self.attack(target, samples, norm)
                clean = samples.images(torch.arange(len(samples)))
                require(
                    bool(active.ball.contains(active.best, clean).all()),
                    f"{norm}: a gradient of zero leads to images outside the ball",
                )

    def test_two_classes(self) -> None:
        """Some losses need three or four: such an attack says so, and any other runs."""
        target = small_target(make_task(timesteps=2, classes=2))
        for norm in self.norms():
            with suppress(UserError):  # refusing in words is a defined answer, a crash is none
                self.attack(target, samples_for(target, 3), norm)

    def test_everybody_falls_at_once(self) -> None:
        """Nobody left to attack, from the first answer on: it ends."""
        target = small_target()
        samples = samples_for(target, 3, wrong=3)
        for norm in self.norms():
            self.attack(target, samples, norm, 1e-6)

    def test_goes_on_for_transfer(self) -> None:
        """Fooled samples that stay under attack, for examples that shall transfer."""
        target = small_target()
        for norm in self.norms():
            active = self.attack(target, samples_for(target, 3), norm, leave=False)
            require(len(active) == 3, "drops samples though the active set keeps them")

    def test_leaves_the_model_alone(self) -> None:
        """Weights, modes and parts of the model are as before."""
        target = small_target()
        samples = samples_for(target)
        for norm in self.norms():
            with untouched(target):
                self.attack(target, samples, norm)


def _logits(target: Target, images: Tensor) -> Tensor:
    with target.frozen(), torch.no_grad():
        return target(images)


def _require_same(first: ActiveSet, second: ActiveSet, rows: Tensor | slice, what: str) -> None:
    """Requires that the rows of the first are all of the second."""
    for name in ("best", "fooled", "queries"):
        same = torch.equal(getattr(first, name)[rows], getattr(second, name))
        require(same, f"{what} differ in {name}: a sample's state, streams and decisions must be its own")


def check_attack(component: str, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`AttackConformance`; one result a check, in alphabetical order.

    Args:
        component: a registered name.
        **parameters: YAML parameters to build it with.
    """
    return check_component(AttackConformance, "attack", component, parameters)
