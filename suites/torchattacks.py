"""Attacks of the package torchattacks, as that package runs them."""

from __future__ import annotations

from dataclasses import field
from inspect import signature
from typing import Any

import numpy as np
import torch
from pydantic import NonNegativeInt
from torch import Tensor

from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.errors import UserError, did_you_mean
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import argmax_correct, correct, tie_flags, tied
from robustbench_snn.parameters import Count, Epsilon
from robustbench_snn.randomness import key_of

BLOCK = 64
"""Samples attacked together: torchattacks draws by batch, so its blocks must not follow the batch size."""


@register_evaluation(
    "torchattacks",
    version=2,
    presets={
        "torchattacks.FGSM": {"attack": "FGSM"},
        "torchattacks.PGD": {"attack": "PGD"},
        "torchattacks.PGDL2": {"attack": "PGDL2", "norm": "l2"},
        "torchattacks.MIFGSM": {"attack": "MIFGSM"},
        "torchattacks.CW": {"attack": "CW", "norm": "l2"},
        "torchattacks.APGD": {"attack": "APGD"},
        "torchattacks.APGDT": {"attack": "APGDT"},
        "torchattacks.FAB": {"attack": "FAB"},
        "torchattacks.Square": {"attack": "Square"},
        "torchattacks.EOTPGD": {"attack": "EOTPGD"},
        "torchattacks.AutoAttack": {"attack": "AutoAttack"},
    },
)
class Torchattacks(Evaluation):
    """Accuracy on what an attack of torchattacks returns: a last-iterate reference, not a claim.

    Its PGD reports the last iterate, not the best one; its AutoAttack runs APGD and FAB for 10 iterations instead of
    100, and must not be quoted as AutoAttack (flag ``torchattacks_autoattack``).

    Args:
        attack: name of a class of torchattacks.
        eps: passed on, if given; perturbations beyond it are counted in ``details.outside``.
        norm: in which the perturbation is measured.
        options: more arguments of the class, such as ``{steps: 50, alpha: 0.01}``.
        judging_draws: fresh draws that judge a stochastic model.
        keep_images: adversarial images to keep, of the first so many samples.
    """

    attack: str
    eps: Epsilon | None = None
    norm: Norm = "linf"
    options: dict[str, Any] = field(default_factory=dict)
    judging_draws: Count = 20
    keep_images: NonNegativeInt = 0

    def run(self, subject: Subject) -> Outcome:
        """Attacks all samples, right or wrong, in fixed blocks.

        Raises:
            UserError: if torchattacks has no such attack, or refuses the options.
        """
        draws = self.judging_draws if subject.target.stochastic else 1
        shares: list[Tensor] = []
        images: list[Tensor] = []
        sizes: list[Tensor] = []
        with subject.target.frozen():
            attack = self._attack(subject)
            for batch in subject.samples.batches(BLOCK, subject.device):
                adversarial = self._perturb(attack, batch, subject)
                shares.append(_shares(subject, batch, adversarial, draws))
                sizes.append(Ball(1.0, self.norm).size(adversarial, batch.images).cpu())
                if len(images) * BLOCK < self.keep_images:
                    images.append(torch.stack([batch.images, adversarial]).cpu())
                subject.progress(sum(map(len, shares)), len(subject.samples))
        right, argmax, ties = torch.cat(shares).unbind(1)
        share, size = right.numpy(), torch.cat(sizes).numpy()
        flags = (["torchattacks_autoattack"] if self.attack == "AutoAttack" else []) + tie_flags(ties)
        outside = 0 if self.eps is None else int((size > self.eps * (1 + 1e-6) + 1e-6).sum())
        pairs = torch.cat(images, 1)[:, : self.keep_images].numpy() if images else None
        return Outcome(
            metrics={
                "accuracy": float(share.astype(np.float64).mean()),
                "argmax_accuracy": float(argmax.double().mean()),
            },
            columns={"correct": share if draws > 1 else share == 1.0, "size": size},
            details={"norm": self.norm, "largest": float(size.max()), "outside": outside},
            flags=[*flags, "outside_ball"] if outside else flags,
            arrays={} if pairs is None else {"clean": pairs[0], "adversarial": pairs[1]},
        )

    def _attack(self, subject: Subject) -> Any:
        import torchattacks

        kind = getattr(torchattacks, self.attack, None)
        if kind is None:
            raise UserError(f"torchattacks has no '{self.attack}'.{did_you_mean(self.attack, dir(torchattacks))}")
        options = self.options if self.eps is None else {"eps": self.eps, **self.options}
        seed = signature(kind).parameters.get("seed")
        if seed is not None and seed.default is None:  # AutoAttack would take the time of day
            options = {"seed": key_of(subject.seed, self.attack) & (2**31 - 1), **options}
        try:
            return kind(AsModule(subject.target), **options)
        except TypeError as error:
            raise UserError(f"torchattacks.{self.attack} refuses its options: {error}") from None

    def _perturb(self, attack: Any, batch: Batch, subject: Subject) -> Tensor:
        devices = [batch.images.device] if batch.images.is_cuda else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(key_of(subject.seed, self.attack, *batch.ids.tolist()) & (2**63 - 1))
            state = np.random.get_state()
            np.random.seed(key_of(subject.seed, self.attack, *batch.ids.tolist()) & (2**32 - 1))
            try:
                adversarial: Tensor = attack(batch.images, batch.labels)
            finally:
                np.random.set_state(state)
        return adversarial.detach()


def _shares(subject: Subject, batch: Batch, images: Tensor, draws: int) -> Tensor:
    """Shares of the draws that were right, right by argmax, and wrong by a tie alone, (B, 3).

    An image that is not finite is a failed attack: the clean one stands for it.
    """
    images = torch.where(images.flatten(1).isfinite().all(1).reshape(-1, 1, 1, 1), images, batch.images)
    counts = torch.zeros(len(batch), 3, device=images.device)
    for draw in range(draws):
        with torch.no_grad():
            logits = subject.target(images, batch.random(subject.seed, "evaluation", "report", draw))
        counts += torch.stack([test(logits, batch.labels) for test in (correct, argmax_correct, tied)], 1)
    return (counts / draws).cpu()
