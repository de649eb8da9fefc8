"""Attacks one after another, each on the samples that all before it left standing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet, RowState
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.contract import Attack
from robustbench_snn.attack.judge import Judge, Verdict
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.digests import json_digest, tensor_digest
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.journal import Step
from robustbench_snn.model.target import Target

CLEAN = 0
"""``broken_by`` of a sample that is wrong without any attack; attacks count from 1."""
SURVIVED = -1
"""``broken_by`` of a sample that nothing fooled."""
SELECTING = 5
"""Selecting draws for each reporting draw of a stochastic model, where several attacks compete."""
WINDOW = 16
"""Batches of samples under one attack at once: as samples fall, those left are packed into full batches again."""

_STATE = ("_select", "share", "argmax_share", "tied", "broken_by", "queries")
"""What a stage changes in a cascade, but for images and reports."""

Backward = Callable[[Target, Tensor], AbstractContextManager[RowState | None]]
"""Puts a gradient estimator in force for a model while inside; the images are a probe of its logits."""


def training_surrogate(target: Target, probe: Tensor) -> AbstractContextManager[RowState | None]:
    """The model's own backward pass."""
    return nullcontext()


@dataclass(frozen=True)
class Stage:
    """One attack of a cascade.

    Attributes:
        seed_label: what its random streams follow from, besides seed and sample.
        attack: the algorithm.
        backward: its gradient estimator.
        stateful: the estimator keeps state by sample, so only one batch is attacked at a time.
        title: what the breakdown calls it; the seed label if empty.
    """

    seed_label: str
    attack: Attack
    backward: Backward = training_surrogate
    stateful: bool = False
    title: str = ""

    @property
    def name(self) -> str:
        """What the breakdown calls it."""
        return self.title or self.seed_label


@dataclass(frozen=True)
class StageReport:
    """What one stage did.

    Attributes:
        name: of the stage.
        attacked: samples that it was given.
        broken: samples that it broke, verified.
        robust_accuracy: after it.
        queries: forward passes, in samples.
        seconds: wall time.
        unverified: samples that it claimed and a fresh forward pass did not confirm.
        repaired: samples with a gradient that was not finite somewhere; see :meth:`ActiveSet.gradient`.
    """

    name: str
    attacked: int
    broken: int
    robust_accuracy: float
    queries: int
    seconds: float
    unverified: int
    repaired: int = 0

    def row(self) -> dict[str, Any]:
        """As a record holds it; without wall time, which no two runs share."""
        return {name: value for name, value in vars(self).items() if name != "seconds"}


@dataclass
class Cascade:
    """The state of one cascade over all samples of a subject, and how to attack what is left.

    Args:
        subject: model and samples.
        ball: admissible perturbations.
        draws: EOT draws inside the attacks, for stochastic models.
        judging_draws: fresh draws K that judge a stochastic model.
        keep_images: adversarial images kept, of the first so many samples.
        selecting: selecting draws for each of the judging draws; see :class:`Judge`.

    Attributes:
        share: float32 (N,), share of judging draws that are right; 0 or 1 for deterministic models.
        clean_share: the same on clean images.
        clean_argmax_share: as ``argmax_share``, on clean images.
        argmax_share: as ``share``, of the same images and draws, where argmax decides ties.
        tied: float32 (N,), share of those draws that are wrong by a tie alone.
        broken_by: int16 (N,): CLEAN, SURVIVED, or the number of the stage, counted from 1.
        queries: int64 (N,), forward passes spent on each sample.
        images: adversarial images by position, of the first ``keep_images`` samples.
        reports: one a stage.
    """

    subject: Subject
    ball: Ball
    draws: int = 10
    judging_draws: int = 20
    keep_images: int = 0
    selecting: int = 1
    images: dict[int, Tensor] = field(default_factory=dict)
    reports: list[StageReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        samples = self.subject.samples
        draws = self.judging_draws if self.subject.target.stochastic else 1
        self._judge = Judge(self.subject, self.ball, draws, self.selecting)
        clean = [self._judge.judge(batch.images, batch) for batch in self._batches(torch.arange(len(samples)))]
        found = Verdict.joined(clean)
        self._select, self.share, self.argmax_share, self.tied = found.select, found.right, found.argmax, found.tied
        self.clean_share, self.clean_argmax_share = found.right.clone(), found.argmax.clone()
        self.broken_by = torch.full((len(samples),), SURVIVED, dtype=torch.int16)
        self.broken_by[self._select == 0] = CLEAN
        self.queries = torch.zeros(len(samples), dtype=torch.int64)

    @property
    def standing(self) -> Tensor:
        """Positions of the samples that nothing has broken, int64."""
        return (self.broken_by == SURVIVED).nonzero()[:, 0]

    @property
    def robust_accuracy(self) -> float:
        """Mean share of right answers under the worst attack so far."""
        return float(self.share.double().mean())

    def widen(self, ball: Ball) -> None:
        """Goes on with a larger ball of the same norm; what was broken stays broken."""
        assert ball.norm == self.ball.norm, "images of one norm's ball need not lie in another's"
        assert ball.eps >= self.ball.eps, "a smaller ball need not hold the images found so far"
        self.ball = ball
        self._judge = replace(self._judge, ball=ball)

    def attack(self, stage: Stage) -> StageReport:
        """Runs one stage on the samples still standing and verifies what it claims.

        Where the journal knows what the stage finds, it is not run.
        """
        target = self.subject.target
        answers = target.non_finite
        found = self.subject.journal.step(lambda: self._digest(stage), lambda: self._attack(stage))
        for name in _STATE:
            setattr(self, name, found.tensors[name])
        self.images |= {int(name): image for name, image in found.tensors.items() if name.isdecimal()}
        target.count_non_finite(answers + found.facts["non_finite"] - target.non_finite)
        report = StageReport(**found.facts["report"], seconds=found.seconds)
        self.reports.append(report)
        return report

    def _digest(self, stage: Stage) -> str:
        how = (stage.name, stage.seed_label, repr(self.ball), self.draws, self.judging_draws, self.selecting)
        return json_digest([*how, len(self.reports), tensor_digest({name: getattr(self, name) for name in _STATE})])

    def _attack(self, stage: Stage) -> Step:
        begun, left, images = time.perf_counter(), self.standing, dict(self.images)
        answers, queries = self.subject.target.non_finite, int(self.queries.sum())
        number, unverified, repaired = len(self.reports) + 1, 0, 0
        done = len(self.subject.samples) - len(left)
        for batch in self._batches(left, 1 if stage.stateful else WINDOW):
            active = self._run(stage, batch)
            unverified += self._judge_claims(active, batch, number)
            repaired += int((active.repaired > 0).sum())
            done += len(batch)
            self.subject.progress(done, len(self.subject.samples))
        report = StageReport(
            name=stage.name,
            attacked=len(left),
            broken=len(left) - len(self.standing),
            robust_accuracy=self.robust_accuracy,
            queries=int(self.queries.sum()) - queries,
            seconds=time.perf_counter() - begun,
            unverified=unverified,
            repaired=repaired,
        )
        state = {name: getattr(self, name) for name in _STATE}
        changed = {str(row): image for row, image in self.images.items() if images.get(row) is not image}
        facts = {"report": report.row(), "non_finite": self.subject.target.non_finite - answers}
        return Step(state | changed, facts, report.seconds)

    def joined(self, other: Cascade) -> Cascade:
        """The union of two cascades of the same samples: each sample at its worst; takes over this one."""
        offset = len(self.reports)
        fallen = (other.broken_by > 0) & (self.broken_by == SURVIVED)
        self.broken_by[fallen] = other.broken_by[fallen] + offset
        self.images |= {row: image for row, image in other.images.items() if row < len(fallen) and bool(fallen[row])}
        found = Verdict(other._select, other.share, other.argmax_share, other.tied)
        self._lower(torch.arange(len(self.share)), found)
        self.queries += other.queries
        self.reports += [replace(report, robust_accuracy=self.robust_accuracy) for report in other.reports]
        return self

    def _batches(self, positions: Tensor, count: int = 1) -> Iterator[Batch]:
        if not len(positions):  # nothing to cut into batches
            return iter(())
        return self.subject.samples.batches(self.subject.batch_size * count, self.subject.device, positions)

    def _run(self, stage: Stage, batch: Batch) -> ActiveSet:
        with stage.backward(self.subject.target, batch.images[:8]) as state:
            active = ActiveSet(
                self.subject.target,
                batch,
                self.ball,
                batch.random(self.subject.seed, stage.seed_label),
                batch_size=self.subject.batch_size,
                draws=self.draws,
                state=state,
            )
            stage.attack.run(active)
        return active

    def _judge_claims(self, active: ActiveSet, batch: Batch, number: int) -> int:
        """Judges the attack's best images afresh; returns how many claims did not hold."""
        rows = batch.positions
        self.queries[rows] += active.queries.cpu()
        found = self._judge.judge_all(active.best, batch, self.subject.batch_size)
        lower = self._lower(rows, found)
        self.broken_by[rows[found.select == 0]] = number
        for row, position in enumerate(rows.tolist()):
            if position < self.keep_images and (lower[row] or position not in self.images):
                self.images[position] = active.best[row].cpu()
        return 0 if self.subject.target.stochastic else int((active.fooled.cpu() & (found.select > 0)).sum())

    def _lower(self, rows: Tensor, found: Verdict) -> Tensor:
        """Takes over what was found of some samples where it is worse than all before; where that is, bool."""
        lower = found.select < self._select[rows]
        for name, values in (
            ("_select", found.select),
            ("share", found.right),
            ("argmax_share", found.argmax),
            ("tied", found.tied),
        ):
            getattr(self, name)[rows[lower]] = values[lower]
        return lower


def breakdown(reports: Sequence[StageReport]) -> list[Mapping[str, Any]]:
    """Which stage broke how many, and robust accuracy after each: the cumulative curve."""
    return [report.row() for report in reports]
