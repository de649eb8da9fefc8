"""FAB-T: fast adaptive boundary attack, targeted (Croce, Hein, 2020, arXiv:1907.02044)."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.attack.contract import Attack, register_attack
from robustbench_snn.attack.guarded import DISTANCES, inside
from robustbench_snn.attack.losses import TEMPERATURE, unit
from robustbench_snn.parameters import Count


@register_attack("fab_t", version=2)
class FABT(Attack):
    """The implementation of torchattacks, with AutoAttack's settings: nine target classes, one start.

    Looks for the nearest decision boundary; what lies within the ball counts. On SNNs it adds little to APGD. Its code
    ignores pixels whose gradient is below 1e-8, so it is given logits of range 20, each sample's its own: the
    boundaries are where they were.

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
            images = [self._perturb(active, chunk, classes) for chunk in active.chunks()]
            active.note(active.project(torch.cat(images)))

    def _perturb(self, active: ActiveSet, chunk: slice, classes: int) -> Tensor:
        from torchattacks import FAB

        attack = FAB(
            _Guarded(active.target),
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

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1]; the gradient passes as if they had not been moved."""
        moved = images + (inside(images, DISTANCES[0]) - images).detach()
        return TEMPERATURE * unit(super().forward(moved))
