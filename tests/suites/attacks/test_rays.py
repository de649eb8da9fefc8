"""RayS: it needs nothing but right or wrong, keeps to its budget, and outdoes Square where logits tell nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target
from robustbench_snn.suites.attacks.rays import RayS, _bisections, _last
from robustbench_snn.suites.attacks.square import Square
from tests.attack_models import Linear, held_out_samples, trained

torch.set_num_threads(1)


class Decision(nn.Module):
    """Only the class: logits of 0 and 1 without a gradient."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images.detach())
        return one_hot(logits.argmax(1), logits.shape[1]).to(logits.dtype)


def broken(model: nn.Module, samples: Samples, attack: RayS | Square, eps: float, batch_size: int = 64) -> Cascade:
    subject = Subject(Target(model), samples, batch_size=batch_size)
    with subject.target.frozen():
        cascade = Cascade(subject, Ball(eps), keep_images=len(samples))
        cascade.attack(stage("rays", attack))
    return cascade


def two_classes(count: int = 48) -> tuple[Linear, ArraySamples, Tensor]:
    """A linear model, samples around its boundary, and each one's exact distance |m| / ||w||_1 to it."""
    model = Linear(classes=2)
    with torch.no_grad():
        model.bias.copy_(-0.5 * model.weight.sum(1))
        images = 0.25 + 0.5 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(2))
        logits = model(images)
        distance = (logits[:, 0] - logits[:, 1]).abs() / (model.weight[0] - model.weight[1]).abs().sum()
    return model, ArraySamples(images, logits.argmax(1)), distance


def test_the_labels_alone_find_the_exact_radius_of_a_linear_model() -> None:
    """Distances are those of a closed form; near them the search is as fine as its radii."""
    model, samples, distance = two_classes()
    eps = float(distance.median())
    cascade = broken(Decision(model), samples, RayS(queries=1500), eps)
    assert not (cascade.broken_by > 0)[distance > eps * (1 + 1e-4)].any()
    assert (cascade.broken_by > 0)[distance < eps * (1 - 1e-3)].all()
    assert cascade.reports[0].unverified == 0


def test_logits_change_nothing() -> None:
    samples = held_out_samples(12)
    soft, hard = (broken(model, samples, RayS(queries=300), 0.12) for model in (trained(), Decision(trained())))
    assert 0 < int((soft.broken_by > 0).sum()) < 12
    assert torch.equal(soft.broken_by, hard.broken_by)
    assert torch.equal(soft.queries, hard.queries)
    assert all(torch.equal(image, hard.images[row]) for row, image in soft.images.items())


@pytest.mark.parametrize("queries", [1, 2, 40])
def test_queries_keep_to_the_budget_whatever_is_asked_ahead(queries: int) -> None:
    samples = held_out_samples(6)
    charged = [broken(trained(), samples, RayS(queries=queries), 1e-4, size).queries for size in (1, 64, 512)]
    assert (charged[0] == queries).all(), "nobody falls at this radius, so all of them are spent"
    assert torch.equal(charged[0], charged[1])
    assert torch.equal(charged[0], charged[2])


def test_it_breaks_what_square_cannot_where_logits_are_zeros_and_ones() -> None:
    samples = held_out_samples(32)
    attacks: tuple[RayS | Square, ...] = (RayS(queries=600), Square(queries=600))
    rays, square = (broken(Decision(trained()), samples, attack, 0.15).robust_accuracy for attack in attacks)
    assert rays < 0.4 < 0.6 < square


def test_a_bisection_ahead_is_the_bisection_step_by_step() -> None:
    for threshold in (0, 1, 5, 16, 17):
        low, high, asked = -1, 17, []
        while low + 1 < high:
            middle = 0 if low < 0 else (low + high) // 2
            asked.append(middle)
            low, high = (low, middle) if middle >= threshold else (middle, high)
        node, ahead = 0, _bisections(torch.tensor([-1]), torch.tensor([17]), 63)[0].tolist()
        for expected in asked:
            assert ahead[node] == expected
            node = 2 * node + (1 if expected >= threshold else 2)


def test_the_sweep_ends_with_single_pixels_or_a_quarter_of_the_queries() -> None:
    assert _last(64, 5000) == 127
    assert _last(48, 5000) == 64 + 48 - 1
    assert _last(3072, 5000) == 1023
    assert _last(3072, 50_000) == 4096 + 3072 - 1


def test_a_stochastic_model_is_asked_one_question_after_another() -> None:
    model, samples, distance = two_classes(8)
    batch = next(samples.batches(8))
    target = Target(model, stochastic=True)
    eps = float(distance.median())
    with target.frozen():
        active = ActiveSet(target, batch, Ball(eps), batch.random(0, "rays"), batch_size=8, draws=2)
        RayS(queries=400).run(active)
        right = target(active.best).argmax(1) == batch.labels
    assert (active.queries <= 2 * 400).all()
    assert not right[distance < 0.9 * eps].any()
    assert right[distance > 1.01 * eps].all()
