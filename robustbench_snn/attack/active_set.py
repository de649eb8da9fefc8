"""The samples that an attack has yet to fool: every attack works on one of these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from robustbench_snn.attack.answers import Answer, GradientAnswer
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.guarded import DISTANCES, broken, inside, patched
from robustbench_snn.attack.losses import LOSSES, Loss, LossName, StepLoss
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.correctness import correct, margin
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom


class RowState(Protocol):
    """An estimator that keeps something for each sample between forward passes."""

    def rows(self, rows: Tensor, *, frozen: bool) -> AbstractContextManager[None]:
        """The next forward pass is of these rows; ``frozen`` leaves what is kept as it is."""


class ActiveSet:
    """Samples under attack; whoever is fooled leaves at once, and the fooling image is kept.

    An attack asks :meth:`gradient` or :meth:`note` about one candidate image for each active sample, and
    cuts its own per-sample state down with the answer's ``survivors``. A stochastic model is asked ``draws`` times
    each, and the kept image is the one with the fewest right draws (ties: with the lowest mean margin). Its samples
    stay to the end: an image that is right one time in ten gives ten wrong draws in a third of all cases.

    Args:
        target: the model, frozen.
        batch: clean images, labels and ids, on the device; images must all be finite.
        ball: admissible perturbations.
        random: one stream a sample.
        batch_size: how many images are run at once.
        draws: EOT draws (Athalye et al., 2018, arXiv:1802.00420) for a stochastic model.
        state: the estimator's per-sample state.
        leave: False keeps fooled samples under attack to the end, for examples that shall transfer.

    Attributes:
        draws: forward passes for each answer; 1 for a deterministic model.
        asked_draws: what they would be for a stochastic one.
        clean: (n, C, H, W), clean images of the active samples.
        labels: (n,), their labels.
        random: their streams; fold in a label before drawing.
        best: (B, C, H, W), the best image so far of every sample of the batch; the clean one to begin with.
        fooled: bool (B,), who has left.
        queries: int64 (B,), forward passes spent on each sample.
        repaired: int64 (B,), how often a sample's gradient had pixels that were not finite; see :meth:`gradient`.
    """

    def __init__(
        self,
        target: Target,
        batch: Batch,
        ball: Ball,
        random: SampleRandom,
        *,
        batch_size: int,
        draws: int = 1,
        state: RowState | None = None,
        leave: bool = True,
    ) -> None:
        self.target = target
        self.ball = ball
        self.batch_size = batch_size
        self.asked_draws = draws
        self.draws = draws if target.stochastic else 1
        self.state = state
        self.leave = leave and not target.stochastic
        self.clean, self.labels, self.random = batch.images, batch.labels, random
        self.rows = torch.arange(len(batch), device=batch.images.device)
        self.best = batch.images.clone()
        self.fooled = torch.zeros_like(batch.labels, dtype=torch.bool)
        self.queries = torch.zeros_like(batch.labels)
        self.repaired = torch.zeros_like(batch.labels)
        self._rate = torch.full_like(batch.labels, torch.inf, dtype=torch.float32)
        self._margin = torch.full_like(self._rate, torch.inf)
        self._asked = 0
        self._classes = 1  # until the first answer; an attack may ask about nobody

    def __len__(self) -> int:
        return len(self.rows)

    def steps(self, count: int) -> Iterator[int]:
        """0, 1, ..., count - 1, ending early when nobody is left."""
        for step in range(count):
            if not len(self):
                return
            yield step

    def project(self, images: Tensor) -> Tensor:
        """The nearest admissible images."""
        return self.ball.project(images, self.clean)

    def start(self, *label: object) -> Tensor:
        """A random admissible image for each active sample; ``label`` names the restart."""
        return self.ball.start(self.clean, self.random.fold("start", *label))

    def gradient(self, images: Tensor, loss: LossName | Loss = "ce", *extra: Tensor) -> GradientAnswer:
        """Asks about images, one for each active sample; the same forward pass gives the answer and the gradient.

        A model may be differentiable inside [0, 1] and not on its border: sqrt(x) has no slope at 0. Where pixels of
        a gradient are not finite, it is taken again from an image slightly further inside, for those pixels alone;
        what is not finite there either is 0.

        Args:
            images: (n, C, H, W), admissible.
            loss: a name, or a function of (logits, labels, *extra).
            extra: more arguments of the loss, one row a sample.
        """
        parts = [self._guarded(chunk, images, loss, extra) for chunk in self.chunks()]
        logits, values, slopes = (torch.cat(list(column)) for column in zip(*parts, strict=True))
        kept = self._note(images, logits)
        return GradientAnswer(logits[kept].mean(1), kept, values[kept], slopes[kept])

    def ascent(self, gradient: Tensor) -> Tensor:
        """The unit step along a gradient (n, C, H, W); along random signs where a sample's is all zero.

        Standing still would be the worst thing to do: where one image has no gradient, another may have one.
        """
        flat = (gradient == 0).flatten(1).all(1).reshape(-1, *[1] * (gradient.ndim - 1))
        if flat.any():
            signs = self.random.fold("signs", self._asked).signs(*gradient.shape[1:])
            gradient = torch.where(flat, signs, gradient)
        return self.ball.ascent(gradient)

    def note(self, images: Tensor) -> Answer:
        """Asks about images, one for each active sample, without a gradient."""
        if not len(self):
            return Answer(images.new_zeros(0, self._classes), self.rows)
        with torch.no_grad():
            parts = [
                torch.stack([self._forward(images[chunk], chunk, draw)[0] for draw in range(self.draws)], 1)
                for chunk in self.chunks()
            ]
        logits = torch.cat(parts)
        kept = self._note(images, logits)
        return Answer(logits[kept].mean(1), kept)

    def ahead(self, candidates: Tensor) -> Tensor:
        """Logits of several candidates for each active sample at once, noting none; for deterministic models.

        A random search that takes few proposals asks about many in one forward pass, and gets the numbers that it
        would have got one by one.

        Args:
            candidates: (n, q, C, H, W), admissible.

        Returns:
            (n, q, K).
        """
        assert not self.target.stochastic, "the draws of a stochastic model depend on what was asked before"
        flat = candidates.flatten(0, 1)
        with torch.no_grad():
            parts = [self.target(flat[i : i + self.batch_size]) for i in range(0, len(flat), self.batch_size)]
        return torch.cat(parts).reshape(*candidates.shape[:2], -1)

    def take(self, images: Tensor, logits: Tensor, queries: Tensor) -> Tensor:
        """Notes images whose logits (n, K) are known from :meth:`ahead`; returns where the survivors stood.

        Args:
            images: (n, C, H, W).
            logits: (n, K).
            queries: int64 (n,), forward passes to be charged to each sample; with 0 its image is not noted.
        """
        return self._note(images, logits[:, None], queries)

    def keep(self, kept: Tensor) -> None:
        """Goes on with the active samples that stand at these places, int64 (m,); the others are given up."""
        self.rows, self.clean, self.labels = self.rows[kept], self.clean[kept], self.labels[kept]
        self.random = self.random[kept]

    def chunks(self) -> Iterator[slice]:
        """The active samples, a batch at a time."""
        for begin in range(0, len(self), self.batch_size):
            yield slice(begin, min(begin + self.batch_size, len(self)))

    def _guarded(
        self, chunk: slice, images: Tensor, loss: LossName | Loss, extra: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (n, draws, K), loss (n,) and gradient (n, C, H, W) of one chunk; the gradient finite."""
        logits, values, slope = self._gradient(chunk, images[chunk], loss, extra)
        values = torch.where(values.isfinite(), values, -torch.inf)
        found = broken(slope)
        self.repaired[self.rows[chunk][found]] += 1
        for distance in DISTANCES:
            if not len(found):
                break
            rows = found + chunk.start
            again = self._gradient(rows, inside(images[rows], distance, self.ball.most), loss, extra, frozen=True)[2]
            slope[found] = patched(slope[found], again)
            self.queries[self.rows[rows]] += self.draws
            found = broken(slope)
        return logits, values, torch.where(slope.isfinite(), slope, 0.0)

    def _gradient(
        self,
        chunk: slice | Tensor,
        images: Tensor,
        loss: LossName | Loss,
        extra: tuple[Tensor, ...],
        *,
        frozen: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (n, draws, K), loss (n,) and gradient (n, C, H, W) as the model gives it, of some active samples."""
        leaf = images.detach().requires_grad_()
        function = LOSSES[loss] if isinstance(loss, str) else loss
        by_step = isinstance(function, StepLoss)
        arguments = (self.labels[chunk], *(values[chunk] for values in extra))
        answers, total, slope = [], torch.zeros_like(leaf.flatten(1)[:, 0]), torch.zeros_like(leaf)
        with torch.enable_grad():
            for draw in range(self.draws):
                answer, differentiated = self._forward(leaf, chunk, draw, by_step=by_step, frozen=frozen)
                values = function(differentiated, *arguments)
                with self._state(chunk, frozen=True):  # a checkpointed model runs its parts again here
                    slope += input_gradient(values.sum(), leaf)
                total += values.detach()
                answers.append((self._read(answer) if by_step else answer).detach())
        return torch.stack(answers, 1), total.detach() / self.draws, slope / self.draws

    def _forward(
        self, images: Tensor, chunk: slice | Tensor, draw: int, *, by_step: bool = False, frozen: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Answers, and what a loss shall differentiate in their place: a target knows it of its latest call alone."""
        if self.target.one_at_a_time and len(images) > 1:
            rows = torch.arange(len(self))[chunk].tolist()
            single = [slice(row, row + 1) for row in rows]
            pairs = [
                self._forward(images[i : i + 1], one, draw, by_step=by_step, frozen=frozen)
                for i, one in enumerate(single)
            ]
            answers, differentiated = (torch.cat(list(column)) for column in zip(*pairs, strict=True))
            return answers, differentiated
        streams = None
        if self.target.stochastic:
            streams = self.random[chunk].fold("eot", self._asked, draw)
        with self._state(chunk, frozen=frozen or draw > 0):
            answer = self.target.step_logits(images, streams) if by_step else self.target(images, streams)
            return answer, answer if by_step else self.target.loss_logits(answer)

    def _state(self, chunk: slice | Tensor, *, frozen: bool) -> AbstractContextManager[None]:
        return nullcontext() if self.state is None else self.state.rows(self.rows[chunk], frozen=frozen)

    def _read(self, step_logits: Tensor) -> Tensor:
        assert isinstance(self.target.model, Classifier)  # step_logits has refused all others
        return self.target.model.read(step_logits)

    def _note(self, images: Tensor, logits: Tensor, queries: Tensor | None = None) -> Tensor:
        """Keeps the best images, drops the fooled, and says where the others stood; logits (n, draws, K)."""
        self._asked += 1
        self.queries[self.rows] += self.draws if queries is None else queries
        samples, draws, classes = logits.shape
        self._classes = classes
        labels = self.labels.repeat_interleave(draws)
        flat = logits.reshape(-1, classes)
        rate = correct(flat, labels).reshape(samples, draws).float().mean(1)
        score = margin(flat, labels).reshape(samples, draws).mean(1)
        score = torch.where(score.isnan(), torch.inf, score)  # a NaN would keep its image for good
        admissible = self.ball.contains(images, self.clean)
        if queries is not None:
            admissible &= queries > 0
        rows = self.rows
        ahead = (rate < self._rate[rows]) | ((rate == self._rate[rows]) & (score < self._margin[rows]))
        better = rows[ahead & admissible]
        self.best[better] = images.detach()[ahead & admissible]
        self._rate[better], self._margin[better] = rate[ahead & admissible], score[ahead & admissible]
        out = admissible & (rate == 0.0)
        self.fooled[rows[out]] = True
        kept = (~out if self.leave else torch.ones_like(out)).nonzero()[:, 0]
        if len(kept) < len(rows):
            self.keep(kept)
        return kept
