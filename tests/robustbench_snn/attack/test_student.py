"""Students: what they learn, what they cost, and that nothing but the samples and the seed decides about them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn
from torch.nn.functional import one_hot

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.attack.student import distil
from robustbench_snn.attack.student_net import StudentNet
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites._gradient_free import gradient_free_stages
from robustbench_snn.suites.attacks.sa_pgd import SAPGD
from robustbench_snn.suites.attacks.transfer import Transfer
from tests.attack_models import ConvLIF, held_out_samples, trained

torch.set_num_threads(1)


class Masked(nn.Module):
    """No gradient gets past its entry; logits as they are, or those of the class only."""

    def __init__(self, model: nn.Module, hard: bool = False) -> None:
        super().__init__()
        self.model, self.hard = model, hard

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images.detach())
        return one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype) if self.hard else logits


class Counted(Target):
    """Counts the images that it is shown."""

    seen = 0

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        self.seen += len(images)
        return super().__call__(images, random, timesteps=timesteps)


def robust_accuracy(subject: Subject, ball: Ball, source: Target) -> float:
    cascade = Cascade(subject, ball)
    with subject.target.frozen():
        cascade.attack(stage("transfer", Transfer(source, SAPGD(steps=20, loss="margin"))))
    return cascade.robust_accuracy


@pytest.mark.parametrize("hard", [False, True])
def test_a_student_sees_through_a_mask(hard: bool) -> None:
    subject, ball = Subject(Target(Masked(trained(), hard)), held_out_samples(48)), Ball(0.15)
    student = distil(subject, ball, rounds=1, points=16, steps=120)
    assert student.hard is hard
    learnt = student.target(subject.samples.pixels).argmax(1)  # type: ignore[attr-defined]
    assert (learnt == subject.samples.labels).float().mean() > 0.9
    itself, taught = (robust_accuracy(subject, ball, source) for source in (subject.target, student.target))
    assert taught < itself - 0.2, "the model's own gradient is zero: SA-PGD walks at random"


def test_every_query_is_counted() -> None:
    target = Counted(trained())
    samples = held_out_samples(70)
    student = distil(Subject(target, samples), Ball(0.1), rounds=2, points=3, steps=3)
    assert int(student.queries.sum()) == target.seen
    assert student.queries.unique().tolist() == [8, 17]


def test_batch_size_changes_no_weight_and_no_stream_of_torch_moves() -> None:
    subject = Subject(Target(trained()), held_out_samples(20), seed=3)
    state = torch.get_rng_state()
    one, many, other = (
        distil(changed, Ball(0.1), rounds=1, points=2, steps=6).target.model.state_dict()
        for changed in (replace(subject, batch_size=1), replace(subject, batch_size=64), replace(subject, seed=4))
    )
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, many[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 64, 64), (1, 7, 13), (2, 1, 1)])
def test_the_network_takes_images_of_any_size(shape: tuple[int, int, int]) -> None:
    assert StudentNet(*shape, classes=5)(torch.rand(2, *shape)).shape == (2, 5)


@pytest.mark.parametrize("hard", [False, True])
def test_the_stages_break_a_masked_model(hard: bool) -> None:
    subject, ball = Subject(Target(Masked(trained(), hard)), held_out_samples(12)), Ball(0.15)
    with subject.target.frozen():
        cascade = Cascade(subject, ball)
        for member in gradient_free_stages(subject, ball, queries=200, rounds=1, steps=60):
            cascade.attack(member)
    names = [report.name for report in cascade.reports]
    assert names[:3] == ["square-200", "transfer from soft twin", "transfer from relu twin"]
    assert names[3:] == ["transfer from student", "rays-200"][: 1 + hard]
    assert cascade.robust_accuracy < 0.5
    assert not any(report.unverified for report in cascade.reports)


def test_twins_that_cannot_run_are_left_out() -> None:
    """I-LIF insists on the surrogate function that it came with."""
    model = ConvLIF("m")
    model.spike1 = neuron.ILIFNode(step_mode="m")
    subject = Subject(Target(model.eval()), held_out_samples(8))
    with subject.target.frozen():
        names = [one.name for one in gradient_free_stages(subject, Ball(0.1), queries=5, rounds=0, steps=2)]
    assert "transfer from soft twin" not in names
    assert names[0] == "square-5"
