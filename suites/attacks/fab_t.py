"""FAB-T: fast adaptive boundary attack, targeted (Croce, Hein, 2020, arXiv:1907.02044)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.guarded import DISTANCES, inside
from robustbench_snn.attack.losses import TEMPERATURE, unit
from robustbench_snn.parameters import Count
from robustbench_snn.randomness import SampleRandom


@register_attack("fab_t", version=2)
class FABT(Attack):
    """The implementation of torchattacks, with AutoAttack's settings: nine target classes, one start.

    Looks for the nearest decision boundary; what lies within the ball counts. On SNNs it adds little to APGD. Its code
    ignores pixels whose gradient is below 1e-8, so it is given logits of range 20, each sample's its own: the
    boundaries are where they were. A stochastic model is attacked one sample at a time, by the mean of its logits over
    fresh draws.

    Args:
        steps: iterations for each target class; AutoAttack takes 100.
        targets: how many of the most likely wrong classes are tried.
    """

    steps: Count = 100
    targets: Count = 9

    def run(self, active: ActiveSet) -> None:
        """All target classes on those still standing, from the clean images."""
        answer = active.note(active.clean)
        if len(active):
            classes = answer.logits.shape[1]
            images = [self._perturb(active, chunk, classes) for chunk in _chunks(active)]
            active.note(active.project(torch.cat(images)))

    def _perturb(self, active: ActiveSet, chunk: slice, classes: int) -> Tensor:
        from torchattacks import FAB

        attack = FAB(
            _Guarded(active, chunk),
            norm="Linf" if active.ball.norm == "linf" else "L2",
            eps=active.ball.eps,
            steps=self.steps,
            n_restarts=1,
            multi_targeted=True,
            n_classes=min(self.targets + 1, classes),
        )
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            images: Tensor = attack(active.clean[chunk], active.labels[chunk])
        return images.detach()


class _Guarded(AsModule):
    """The model a hair's breadth inside [0, 1], where its gradients are finite, with logits of one range."""

    def __init__(self, active: ActiveSet, chunk: slice) -> None:
        super().__init__(active.target)
        self._random, self._draws, self._asked = active.random[chunk], active.draws, 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1]; the gradient passes as if they had not been moved."""
        moved = images + (inside(images, DISTANCES[0]) - images).detach()
        return TEMPERATURE * unit(super().forward(moved))

    def answer(self, images: Tensor) -> Tensor:
        """Logits (B, K); of a stochastic model their mean over fresh draws, for B = 1."""
        if not self._target.stochastic:
            return super().answer(images)
        self._asked += 1
        streams = [self._random.fold("fab", self._asked, draw).keys for draw in range(self._draws)]
        copies = images.expand(self._draws, *images.shape[1:])
        return self._target(copies, SampleRandom(torch.cat(streams))).mean(0, keepdim=True)


def _chunks(active: ActiveSet) -> Iterable[slice]:
    """What is attacked at once: torchattacks takes rows out of a batch as it likes, and does not say whose draws."""
    if not active.target.stochastic:
        return active.chunks()
    return [slice(row, row + 1) for row in range(len(active))]
