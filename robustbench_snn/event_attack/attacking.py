"""One attack on all event frames of a subject, and the examination of what it claims."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import WINDOW
from robustbench_snn.attack.judge import Judge
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.errors import UserError
from robustbench_snn.estimator.contract import Estimator, estimating, make
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.event_attack.controls import random_flips, saliency
from robustbench_snn.event_attack.event_set import NONE, EventSet
from robustbench_snn.event_attack.sda import SparseDynamicAttack
from robustbench_snn.event_attack.space import Space
from robustbench_snn.registry.spec import TRAINING, ComponentSpec

AttackName = Literal["sda", "saliency", "random"]


@dataclass(frozen=True)
class EventAttack:
    """Which attack, and how.

    Attributes:
        budgets: numbers of changed events that are asked about, rising.
        name: ``sda``, ``saliency`` or ``random``.
        space: what may be changed.
        steps: of SDA.
        candidates: of SDA, more each step.
        cap: of SDA, selected changes above which a sample is given up.
        estimator: the backward pass.
    """

    budgets: tuple[int, ...]
    name: AttackName = "sda"
    space: Space = field(default_factory=Space)
    steps: int = 500
    candidates: int = 10
    cap: int | None = None
    estimator: ComponentSpec = TRAINING

    def run(self, active: EventSet) -> None:
        """Attacks the active samples."""
        if self.name == "sda":
            SparseDynamicAttack(active, steps=self.steps, candidates=self.candidates, cap=self.cap).run()
        elif self.name == "saliency":
            saliency(active, self.budgets[-1])
        else:
            random_flips(active, self.budgets)


@dataclass(frozen=True)
class Attacked:
    """What an attack found, one value a sample (N,), on the CPU.

    Attributes:
        clean: whether the unchanged frames of the space are classified correctly, bool.
        changes: the fewest changes found that fool; 0 where clean is False, NONE where none were found; int64.
        queries: forward passes, int64.
        gradients: backward passes, int64.
        tied: wrong by a tie alone, on the frames that fool; bool.
        frames: adversarial frames (F, 2, H, W) by position, where they were to be kept and the model was right before.
    """

    clean: Tensor
    changes: Tensor
    queries: Tensor
    gradients: Tensor
    tied: Tensor
    frames: dict[int, Tensor] = field(default_factory=dict)

    def withstands(self, budget: int) -> Tensor:
        """Whether more than so many changes are needed, bool (N,)."""
        return (self.changes == NONE) | (self.changes > budget)


def space_batch(batch: Batch, space: Space) -> Batch:
    """A batch with its counts as frames of the space."""
    return Batch(space.frames(batch.images), batch.labels, batch.ids, batch.positions)


def attack_batch(subject: Subject, batch: Batch, attack: EventAttack) -> EventSet:
    """Runs an attack on a batch of frames of its space that the model, frozen, is right about."""
    target, estimator = subject.target, make(attack.estimator)

    def backward() -> AbstractContextManager[Estimator]:
        return estimating(target, estimator, batch.images[:8])

    with backward() if estimator.stateful else nullcontext() as state:
        active = EventSet(
            target,
            batch,
            attack.space,
            batch.random(subject.seed, "event_l0", attack.name),
            backward=nullcontext if estimator.stateful else backward,
            batch_size=subject.batch_size,
            state=state,
        )
        attack.run(active)
    return active


def attack_events(subject: Subject, attack: EventAttack, keep: int = 0) -> Attacked:
    """Attacks all samples that the model is right about, and examines what fools it.

    Args:
        subject: model and samples.
        attack: what to do.
        keep: of how many samples, the first ones, adversarial frames are kept.

    Raises:
        UserError: of a stochastic model.
        RuntimeError: if frames that an attack returns are not of the space, differ by another number of changes than it
            says, or are classified correctly in a fresh forward pass.
    """
    if subject.target.stochastic:
        raise UserError(
            "attacks that change single events compare answers of a model one by one, and need a deterministic one; "
            "use event_linf"
        )
    samples, space = subject.samples, attack.space
    judge = Judge(subject, Ball(space.most, "linf", space.most), draws=1)
    count = len(samples)
    found = Attacked(
        clean=torch.zeros(count, dtype=torch.bool),
        changes=torch.zeros(count, dtype=torch.int64),
        queries=torch.zeros(count, dtype=torch.int64),
        gradients=torch.zeros(count, dtype=torch.int64),
        tied=torch.zeros(count, dtype=torch.bool),
    )
    stateful = make(attack.estimator).stateful  # by the active set's rows: one batch at a time
    done = 0
    for whole in samples.batches(subject.batch_size * (1 if stateful else WINDOW), subject.device):
        batch = space_batch(whole, space)
        verdict = judge.judge_all(batch.images, batch, subject.batch_size)
        found.clean[batch.positions], found.tied[batch.positions] = verdict.right == 1.0, verdict.tied == 1.0
        rows = (verdict.right == 1.0).nonzero()[:, 0]
        if len(rows):
            part = Batch(*(getattr(batch, name)[rows.to(getattr(batch, name).device)] for name in vars(batch)))
            active = attack_batch(subject, part, attack)
            for name in ("changes", "queries", "gradients"):
                getattr(found, name)[part.positions] = getattr(active, name).cpu()
            found.tied[part.positions] = examined(active, part, judge, subject.batch_size)
            for row, position in enumerate(part.positions.tolist()):
                if position < keep:
                    found.frames[position] = active.best[row].cpu()
        done += len(batch)
        subject.progress(done, count)
    return found


def examined(active: EventSet, batch: Batch, judge: Judge, batch_size: int) -> Tensor:
    """Examines all that an attack claims, apart from it; returns whether each claim holds by a tie alone, bool (B,).

    Raises:
        RuntimeError: if a claim does not hold; see :func:`attack_events`.
    """
    claims, frames, space = active.changes.cpu(), active.best, active.space
    fooled = claims != NONE
    verdict = judge.judge_all(frames, batch, batch_size)
    legal = space.contains(frames, batch.images).cpu()
    counted = space.changes(frames, batch.images).cpu() == claims
    for holds, what in (
        (legal, f"are not {space.values} frames with entries changed by one at most"),
        (counted, "differ from the clean ones by another number of changes than the attack says"),
        (verdict.right == 0.0, "are classified correctly in a fresh forward pass"),
    ):
        if bool((fooled & ~holds).any()):
            ids = batch.ids.cpu()[fooled & ~holds].tolist()
            raise RuntimeError(f"an attack on event frames claims too much: frames of the samples {ids[:5]} {what}")
    return fooled & (verdict.tied == 1.0)
