"""The protocol of the STF authors' code, by name, beside the correct one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Batch
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import argmax_correct, correct
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.parameters import Count

FGSM_EPS = (0.025, 0.05, 0.1, 0.2, 0.3)
PGD_STEPS = (5, 10, 30, 50)
PGD_EPS = 8 / 255
PGD_ALPHA = 2 / 255


@register_evaluation("stf_paper", version=2)
class STFPaper(Evaluation):
    """FGSM and PGD as the STF authors' code runs them (arXiv:2508.00387, code): not comparable with anything else.

    Inputs are normalised first; the perturbation of size eps is added to the normalised input, which is then
    clamped to [0, 1] in that space: raw pixels end up between mean and mean + std, and eps 8/255 is about 2/255 raw.
    FGSM with eps 0.025, 0.05, 0.1, 0.2, 0.3; PGD with eps 8/255, alpha 2/255 and 5, 10, 30, 50 iterations from a
    random start; the last iterate counts; ``accuracy`` is the average of the two averages [inferred: the code
    reports the two apart]. The columns hold each attack's outcomes, ``correct`` their mean.

    The authors' attacks run inside mixed-precision autocast without loss scaling, where small gradients become zero:
    a third confound, which is not repeated here. The precision in force is in the record's provenance.

    Args:
        judging_draws: draws that judge a stochastic model.
    """

    judging_draws: Count = 20

    def run(self, subject: Subject) -> Outcome:
        """All nine attacks.

        Raises:
            UserError: for models that are not of this package: their normalisation is unknown.
        """
        model = subject.target.model
        if not isinstance(model, Classifier):
            raise UserError("stf_paper needs a model of this package: it perturbs after the encoder's normalisation")
        space = Normalised(subject.target, model.encoder.mean, model.encoder.std)
        found: dict[str, list[Tensor]] = {}
        done = 0
        with subject.target.frozen():
            for batch in subject.samples.batches(subject.batch_size, subject.device):
                for eps in FGSM_EPS:
                    images = space.attack(batch, subject.seed, eps, eps, 1, start=False)
                    found.setdefault(f"fgsm_{eps}", []).append(self._judge(space, images, batch, subject))
                for steps in PGD_STEPS:
                    images = space.attack(batch, subject.seed, PGD_EPS, PGD_ALPHA, steps, start=True)
                    found.setdefault(f"pgd_{steps}", []).append(self._judge(space, images, batch, subject))
                done += len(batch)
                subject.progress(done, len(subject.samples))
        shares = {name: torch.cat(parts, 1) for name, parts in found.items()}
        columns, by_argmax = ({name: share[row] for name, share in shares.items()} for row in (0, 1))
        return self._outcome(columns, float(_averages(by_argmax)[0].double().mean()))

    def _outcome(self, columns: dict[str, Tensor], argmax_accuracy: float) -> Outcome:
        right, means = _averages(columns)
        metrics = {name: float(column.double().mean()) for name, column in columns.items()}
        metrics |= {f"{kind}_average": float(mean.double().mean()) for kind, mean in means.items()}
        kept: dict[str, Any] = {name: column.numpy() for name, column in columns.items()}
        return Outcome(
            metrics={"accuracy": float(right.double().mean()), "argmax_accuracy": argmax_accuracy, **metrics},
            columns={"correct": right.numpy(), **kept},
            details={"protocol": "perturbed and clamped to [0, 1] after normalisation; last iterate"},
            flags=["paper_protocol"],
            comparable=False,
        )

    def _judge(self, space: Normalised, images: Tensor, batch: Batch, subject: Subject) -> Tensor:
        draws = self.judging_draws if subject.target.stochastic else 1
        counts = torch.zeros(2, len(batch), device=images.device)
        for draw in range(draws):
            with torch.no_grad():
                streams = batch.random(subject.seed, "evaluation", "report", draw)
                logits = subject.target(space.raw(images), streams)
            counts += torch.stack([test(logits, batch.labels) for test in (correct, argmax_correct)])
        return (counts / draws).cpu()


def _averages(columns: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The average of the two averages, by sample, and those."""
    kinds = {kind: [c for name, c in columns.items() if name.startswith(kind)] for kind in ("fgsm", "pgd")}
    means = {kind: torch.stack(parts).mean(0) for kind, parts in kinds.items()}
    return (means["fgsm"] + means["pgd"]) / 2, means


class Normalised:
    """A target seen through its own normalisation."""

    def __init__(self, target: Target, mean: Tensor, std: Tensor) -> None:
        self.target, self.mean, self.std = target, mean, std

    def raw(self, images: Tensor) -> Tensor:
        """Back to pixels: the model normalises again, to the same values but for rounding."""
        return images * self.std + self.mean

    def attack(self, batch: Batch, seed: int, eps: float, alpha: float, steps: int, *, start: bool) -> Tensor:
        """The last iterate of PGD in normalised space, (B, C, H, W)."""
        clean = (batch.images - self.mean) / self.std
        images = clean
        if start:
            noise = 2.0 * batch.random(seed, "stf_paper", steps).uniform(*clean.shape[1:]) - 1.0
            images = (clean + eps * noise).clamp(0.0, 1.0)
        for step in range(steps):
            leaf = images.detach().requires_grad_()
            logits = self.target(self.raw(leaf), batch.random(seed, "stf_paper", steps, step))
            loss = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, leaf)
            moved = images + alpha * gradient.sign()
            images = (clean + (moved - clean).clamp(-eps, eps)).clamp(0.0, 1.0)
        return images.detach()
