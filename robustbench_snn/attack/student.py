"""A student of a model's answers, as a source of transfer attacks (Papernot et al., 2017, arXiv:1602.02697)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.hard_labels import LOOKS, hard_labels
from robustbench_snn.attack.student_net import StudentNet
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom, key_of
from robustbench_snn.registry import attacks

MOST = 1000
"""Samples that teach; of more, so many evenly spread ones."""
CLOSE = 64
"""Samples that tell whether answers are hard, and images in a batch of the training."""


@dataclass(frozen=True)
class Student:
    """What was learnt, and what it cost.

    Attributes:
        target: the student, as a model.
        queries: int64 (N,), forward passes of the model spent on each sample.
        hard: whether it learnt classes only.
    """

    target: Target
    queries: Tensor
    hard: bool


def distil(subject: Subject, ball: Ball, *, rounds: int = 8, points: int = 32, steps: int = 300) -> Student:
    """Trains a small convolutional network on what the model says, and nothing else of it.

    It learns from the samples, from points on the way to other samples under noise, and then, round by round, from
    its own adversarial images of radius eps and 2 eps with the model's answers: there it errs most. The paper adds
    one step along the student's Jacobian; here SA-PGD takes 30, and the wider points are our own: hard labels hardly
    change inside a ball.

    What the student knows comes from all samples together, so an attack with it depends on the set of samples, as the
    model itself on its training set. It does not depend on batch size.

    Args:
        subject: model and samples; the model is frozen by the caller.
        ball: admissible perturbations.
        rounds: of training, attacking and asking.
        points: first points a sample.
        steps: of Adam on batches of 64, in the first round; a third of them in each of the others.

    Returns:
        The student, its weights frozen. torch's own generators are left as they were.
    """
    total = len(subject.samples)
    positions = torch.arange(total) if total <= MOST else torch.arange(MOST) * total // MOST
    batch = next(subject.samples.batches(len(positions), subject.device, positions))
    random = batch.random(subject.seed, "student")
    hard = hard_labels(subject.target, batch.part(slice(0, CLOSE)))
    images = torch.cat([batch.images, *(_point(batch, random.fold("point", number)) for number in range(points))])
    logits = _ask(subject, images, random.fold("first"))
    scale = 4.0 / logits.std(1).mean().clamp_min(1e-12)
    answers = _lesson(logits, scale, hard)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key_of(subject.seed, "student") & (2**63 - 1))
        channels, height, width = batch.images.shape[1:]
        net = StudentNet(channels, height, width, logits.shape[1]).to(subject.device)
    student, optimizer = Target(net.eval()), torch.optim.Adam(net.parameters(), 2e-3)
    order = torch.Generator().manual_seed(key_of(subject.seed, "student order") & (2**63 - 1))
    _train(student, optimizer, images, answers, steps, order)
    for number in range(rounds):
        for radius in (1.0, 2.0):
            streams = random.fold("round", number, radius)
            found = _adversarial(student, batch, Ball(radius * ball.eps, ball.norm), streams, subject.batch_size)
            said = _lesson(_ask(subject, found, streams), scale, hard)
            images, answers = torch.cat([images, found]), torch.cat([answers, said])
        _train(student, optimizer, images, answers, steps // 3, order)
    queries = torch.zeros(total, dtype=torch.int64)
    queries[positions] = 1 + points + 2 * rounds
    queries[positions[:CLOSE]] += LOOKS
    net.requires_grad_(False)
    return Student(student, queries, hard)


def _point(batch: Batch, random: SampleRandom) -> Tensor:
    """A point between each sample and another, under noise of up to 0.3."""
    other = random.fold("other").integers(len(batch), 1)[:, 0]
    way = random.fold("way").uniform(1, 1, 1)
    noise = 2.0 * random.fold("noise").uniform(*batch.images.shape[1:]) - 1.0
    mixed = batch.images.lerp(batch.images[other], way)
    return (mixed + 0.3 * random.fold("size").uniform(1, 1, 1) * noise).clamp(0.0, 1.0)


def _ask(subject: Subject, images: Tensor, random: SampleRandom) -> Tensor:
    """The model's answers (M, K), without a gradient; one draw each of a stochastic one."""
    keys = torch.cat([random.fold(part).keys for part in range(len(images) // len(random))])
    parts = range(0, len(images), subject.batch_size)
    rows = [slice(begin, begin + subject.batch_size) for begin in parts]
    with torch.no_grad():
        return torch.cat([subject.target(images[part], SampleRandom(keys[part])) for part in rows])


def _lesson(logits: Tensor, scale: Tensor, hard: bool) -> Tensor:
    """What is learnt of the answers: a distribution over the classes, (M, K)."""
    if hard:
        return one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)
    return torch.softmax(scale * logits, 1)


def _adversarial(student: Target, batch: Batch, ball: Ball, random: SampleRandom, size: int) -> Tensor:
    with student.frozen():
        active = ActiveSet(student, batch, ball, random, batch_size=size, leave=False)
        attacks.create("sa_pgd", steps=30, loss="margin").run(active)
    return active.best


def _train(
    student: Target,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    answers: Tensor,
    steps: int,
    order: torch.Generator,
) -> None:
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(images), (CLOSE,), generator=order).to(images.device)
            loss = cross_entropy(student.model(images[rows]), answers[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
