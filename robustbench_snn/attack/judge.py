"""What decides whether an image fools a model: fresh forward passes, apart from every attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import argmax_correct, correct, tied


@dataclass(frozen=True)
class Verdict:
    """Shares of a sample's draws, float32 (B,) each, on the CPU; 0 or 1 for deterministic models.

    Attributes:
        select: right on the selecting draws; a tie for the top logit is wrong.
        right: the same on the reporting draws.
        argmax: right on the reporting draws where the first of the top classes answers.
        tied: wrong on the reporting draws by a tie alone.
    """

    select: Tensor
    right: Tensor
    argmax: Tensor
    tied: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Verdict]) -> Verdict:
        """Those of several batches, one after another."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class Judge:
    """Judges images in fresh forward passes, under the model's own backward pass and new random draws.

    For a stochastic model two sets of draws are made: one selects the worst image of several attacks, and K others
    report, so that choosing the worst of many does not lower the reported number by chance. Where several attacks
    compete, selecting takes more draws: what noise chooses is not the strongest image.
    """

    subject: Subject
    ball: Ball
    draws: int
    selecting: int = 1

    def judge(self, images: Tensor, batch: Batch) -> Verdict:
        """What the model says of images (B, C, H, W); one that is not admissible fools nobody: it is right."""
        legal = self.ball.contains(images, batch.images)
        images = torch.where(legal.reshape(-1, *[1] * (images.ndim - 1)), images, batch.images)
        right, argmax, ties = self._shares(images, batch, "report", self.draws)
        select = right
        if self.subject.target.stochastic:
            select = self._shares(images, batch, "select", self.draws * self.selecting)[0]
        select, right, argmax = (torch.where(legal, share, 1.0).cpu() for share in (select, right, argmax))
        return Verdict(select, right, argmax, torch.where(legal, ties, 0.0).cpu())

    def judge_all(self, images: Tensor, batch: Batch, size: int) -> Verdict:
        """:meth:`judge` in batches of ``size``."""
        return Verdict.joined(
            [
                self.judge(images[begin : begin + size], batch.part(slice(begin, begin + size)))
                for begin in range(0, len(batch), size)
            ]
        )

    def _shares(self, images: Tensor, batch: Batch, purpose: str, draws: int) -> Tensor:
        """Shares of the draws that were right, right by argmax, and tied, (3, B)."""
        counts = torch.zeros(3, len(batch), device=images.device)
        for draw in range(draws):
            streams = batch.random(self.subject.seed, "evaluation", purpose, draw)
            with torch.no_grad():
                logits = self.subject.target(images, streams)
            counts += torch.stack([test(logits, batch.labels) for test in (correct, argmax_correct, tied)])
        return counts / draws
