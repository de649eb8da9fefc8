"""Attacks that change single events: against the published steps written out, and models whose optimum is known."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.judge import Judge
from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.event_attack.attacking import AttackName, EventAttack, attack_batch, attack_events, examined
from robustbench_snn.event_attack.event_set import NONE
from robustbench_snn.event_attack.space import Space, Values
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.subject import samples_for, small_target
from tests.attack_models import Linear

SHAPE = (3, 2, 4, 4)
ENTRIES = 96
BUDGETS = (1, 2, 4, 8, 16, 32, 64)


class Smooth(nn.Module):
    """Two layers with a tanh between: a slope at every entry, and no two alike; the steeper, the less slopes tell."""

    def __init__(self, classes: int = 4, steepness: float = 0.3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Parameter(steepness * torch.randn(ENTRIES, 24, generator=generator))
        self.second = nn.Parameter(torch.randn(24, classes, generator=generator))

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = torch.tanh(frames.flatten(1) @ self.first) @ self.second
        return logits


def frames(count: int, values: Values = "binary", seed: int = 0) -> Tensor:
    uniform = SampleRandom.for_samples(seed, sample_ids=range(count)).uniform(*SHAPE)
    return (uniform < 0.4).float() if values == "binary" else (4.0 * uniform**3).floor()


def subject_of(model: nn.Module, images: Tensor, batch_size: int = 8, rows: Tensor | None = None) -> Subject:
    """Labels are what the model says."""
    with torch.no_grad():
        samples = EventFrames(images, model(images).argmax(1))
    return Subject(Target(model), samples if rows is None else samples.subset(rows), batch_size=batch_size)


def run(of: Subject, name: AttackName = "sda", values: Values = "binary", **options: Any) -> Any:
    with of.target.frozen():
        return attack_events(of, EventAttack(BUDGETS, name, Space(values), **options))


def published(model: nn.Module, clean: Tensor, label: int, more: int) -> tuple[int, int]:
    """SDA on one binary image (D,), by the paper's steps, one image after another.

    Returns the number of flips, and how many candidates were dropped.

    The project's one addition: an image that fools counts wherever it turns up.
    """

    def margin(image: Tensor) -> Tensor:
        logits: Tensor = model(image.reshape(1, *SHAPE))[0]
        return logits[label] - torch.cat([logits[:label], logits[label + 1 :]]).amax()

    image, effect, fewest, dropped = clean.clone(), dict[int, float](), ENTRIES, 0
    for n in range(500):
        leaf = image.clone().requires_grad_()
        before = margin(leaf)
        (slope,) = torch.autograd.grad(before, leaf)
        lowers = [e for e in range(ENTRIES) if 0 <= float(image[e] - slope[e].sign()) <= 1 and e not in effect]
        count = more * (n + 1)
        assert len(lowers) >= count, "the rest would be drawn at random"
        for entry in sorted(lowers, key=lambda e: -abs(float(slope[e])))[:count]:
            flipped = image.clone()
            flipped[entry] = 1.0 - flipped[entry]
            difference = float((margin(flipped) - before).detach())
            if difference <= 0.0:
                effect[entry] = abs(difference)
            else:
                dropped += 1
            if margin(flipped) <= 0.0:
                fewest = min(fewest, int((flipped != clean).sum()))
        image = clean.clone()
        for entry in effect:
            image[entry] = 1.0 - image[entry]
        if margin(image) <= 0.0:
            break
    weakest = sorted(effect, key=effect.__getitem__)
    left, right, taken = 0, len(weakest) - 1, 0
    while left <= right:
        middle = (left + right) // 2
        fewer = image.clone()
        for entry in weakest[: middle + 1]:
            fewer[entry] = clean[entry]
        if margin(fewer) <= 0.0:
            left, taken = middle + 1, middle + 1
        else:
            right = middle - 1
    return min(fewest, len(weakest) - taken), dropped


@pytest.mark.parametrize(("steepness", "drops"), [(0.3, False), (2.0, True)])
def test_all_samples_at_once_are_the_published_steps_one_by_one(steepness: float, drops: bool) -> None:
    model, images = Smooth(steepness=steepness), frames(24)
    subject = subject_of(model, images)
    found = run(subject, candidates=3)
    labelled = zip(images, subject.samples.labels, strict=True)
    wanted = [published(model, image.flatten(), int(label), 3) for image, label in labelled]
    assert found.changes.tolist() == [flips for flips, _ in wanted]
    assert len({flips for flips, _ in wanted}) > 3
    assert any(dropped for _, dropped in wanted) == drops


def test_the_fewest_changes_of_a_linear_model_are_found() -> None:
    """The best entries one after another until the margin is gone: nothing needs fewer."""
    for values in ("binary", "counts"):
        model, images = Linear(ENTRIES, classes=2), frames(24, values)
        subject = subject_of(model, images)
        found = {name: run(subject, name, values).changes.numpy() for name in get_args(AttackName)}
        optimum = []
        for image, label in zip(images.flatten(1).double(), subject.samples.labels.tolist(), strict=True):
            weight = (model.weight[label] - model.weight[1 - label]).detach().double()
            bias = float((model.bias[label] - model.bias[1 - label]).detach())
            after = image - weight.sign()
            allowed = (after >= 0) & (after <= (1 if values == "binary" else 255))
            lost = weight.abs()[allowed].sort(descending=True).values.cumsum(0)
            optimum.append(int((lost < float(image @ weight) + bias).sum()) + 1)
        assert found["saliency"].tolist() == optimum
        assert found["sda"].tolist() == optimum
        assert all(flips == NONE or flips >= least for flips, least in zip(found["random"], optimum, strict=True))
        assert (found["random"] == NONE).any() or (found["random"] > optimum).any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["counts", "binary"]), st.sampled_from(["sda", "saliency", "random"]))
def test_adversarial_frames_are_event_frames(seed: int, values: Values, name: AttackName) -> None:
    space = Space(values)
    images = space.frames(frames(8, "counts", seed))
    subject = subject_of(Smooth(), images)
    attack = EventAttack((1, 3, 9), name, space, steps=6, candidates=3)
    (batch,) = subject.samples.batches(8)
    with subject.target.frozen():
        active = attack_batch(subject, batch, attack)
    for best, clean, claim, label in zip(active.best, images, active.changes, batch.labels, strict=True):
        if claim == NONE:
            continue
        values_of = best.numpy()
        assert np.array_equal(values_of, np.round(values_of))
        assert values_of.min() >= 0
        assert values_of.max() <= (1 if values == "binary" else 255)
        assert int((best != clean).sum()) == float((best - clean).abs().sum()) == claim
        with torch.no_grad():
            assert subject.target.model(best[None]).argmax(1) != label


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from([-1.5, -0.1, 0.0, 0.0, 0.2, 3.0])), min_size=1))
def test_what_lowers_the_margin_is_ranked_by_its_slope_and_before_the_rest(entries: list[tuple[int, float]]) -> None:
    counts, slopes = (torch.tensor([column]) for column in zip(*entries, strict=True))
    ways, size = Space().ranked(counts.float(), slopes.float(), SampleRandom.for_samples(0, sample_ids=[0]))
    assert ((counts + ways >= 0) & (counts + ways <= 255) & (ways.abs() == 1)).all()
    helps = (slopes * ways < 0)[0]
    assert torch.equal(size[0, helps], slopes.float().abs()[0, helps])
    if helps.any() and not helps.all():
        assert size[0, ~helps].max() < size[0, helps].min()


def test_a_sample_does_not_know_of_its_neighbours() -> None:
    target = small_target(make_task(timesteps=3, frames=4))
    samples = samples_for(target, 10, wrong=2)
    rows = torch.tensor([9, 3, 7])
    for name, estimator in (("sda", "training"), ("sda", "assg"), ("sda", "atan"), ("saliency", "atan")):
        attack = EventAttack((1, 12), name, estimator=ComponentSpec(name=estimator))  # type: ignore[arg-type]
        with target.frozen():
            whole = attack_events(Subject(target, samples, batch_size=5), attack)
            some = attack_events(Subject(target, samples.subset(rows), batch_size=16), attack)
        for column in ("changes", "queries", "gradients"):
            assert torch.equal(getattr(whole, column)[rows], getattr(some, column))


def test_more_changes_and_a_later_cap_never_help_the_defender() -> None:
    subject = subject_of(Smooth(), frames(24))
    few, most = (run(subject, candidates=1, cap=cap) for cap in (1, None))
    assert (few.changes == NONE).any()
    assert few.queries.sum() < most.queries.sum()
    left = few.changes != NONE
    assert (few.changes[left] >= most.changes[left]).all()
    curve = [float(most.withstands(budget).double().mean()) for budget in BUDGETS]
    assert curve == sorted(curve, reverse=True)
    assert curve[0] > curve[-1]


def test_who_cannot_be_fooled_leaves_when_all_is_tried() -> None:
    model = Linear(ENTRIES, classes=2)
    with torch.no_grad():
        model.bias[0] += 1e4
    found = run(subject_of(model, frames(3)))
    assert found.changes.tolist() == [NONE] * 3
    assert (found.gradients <= 7).all(), "10, 20, ... 60 candidates: then none is left"


def test_passes_are_counted() -> None:
    """10 candidates, then 20, each step with one pass for the gradient; one more for the last look."""
    model = Linear(ENTRIES, classes=2)
    with torch.no_grad():
        model.bias[0] += 1e4
    found = run(subject_of(model, frames(3)), steps=2)
    assert found.queries.tolist() == [10 + 20 + 2 + 1] * 3
    assert found.gradients.tolist() == [2] * 3


@pytest.mark.parametrize("lie", ["fewer changes", "half an event", "two events", "right frames"])
def test_claims_that_do_not_hold_are_errors(lie: str) -> None:
    subject = subject_of(Smooth(), frames(8, "counts"))
    space = Space("counts")
    (batch,) = subject.samples.batches(8)
    judge = Judge(subject, Ball(255.0, "linf", 255.0), draws=1)
    with subject.target.frozen():
        active = attack_batch(subject, batch, EventAttack(BUDGETS, "sda", space))
        assert not examined(active, batch, judge, 8).any()
        row = int((active.changes != NONE).nonzero()[0])
        if lie == "fewer changes":
            active.changes[row] -= 1
        elif lie == "half an event":
            active.best[row, 0, 0, 0, 0] += 0.5
        elif lie == "two events":
            active.best[row, 0, 0, 0, 0] += 2.0
        else:
            active.best[row], active.changes[row] = batch.images[row], 0
        with pytest.raises(RuntimeError, match=rf"claims too much: frames of the samples \[{row}\]"):
            examined(active, batch, judge, 8)


def test_a_stochastic_model_is_refused() -> None:
    subject = subject_of(Smooth(), frames(8))
    with pytest.raises(UserError, match="need a deterministic one; use event_linf"):
        attack_events(Subject(Target(subject.target.model, stochastic=True), subject.samples), EventAttack((1,)))
