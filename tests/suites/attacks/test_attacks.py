"""Attacks and their engine: closed answers on linear models, invariants on spiking ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import CLEAN, SURVIVED, Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import correct, margin
from robustbench_snn.model.target import Target
from robustbench_snn.registry import attacks
from robustbench_snn.suites.attacks.sa_pgd import halving_steps
from robustbench_snn.testing.watching import CountingTarget, WatchedSet
from tests.attack_models import Linear, Noisy, held_out_samples, trained

torch.set_num_threads(1)

QUICK: dict[str, dict[str, Any]] = {
    "fgsm": {},
    "pgd": {"steps": 5, "restarts": 2},
    "eot_pgd": {"steps": 5},
    "mi_fgsm": {"steps": 5},
    "sa_pgd": {"steps": 8},
    "apgd_ce": {"steps": 6},
    "apgd_dlr": {"steps": 6},
    "apgd_t": {"steps": 5, "targets": 2},
    "fab_t": {"steps": 2, "targets": 1},
    "square": {"queries": 40},
    "rays": {"queries": 80},
    "spsa": {"steps": 5, "directions": 16, "alpha": 0.1, "delta": 0.02},
    "cw": {"steps": 12, "search": 3, "rate": 0.05},
    "noise": {"tries": 3},
}


def attacked(
    model: nn.Module,
    samples: Samples,
    name: str,
    eps: float,
    norm: Norm = "linf",
    batch_size: int = 64,
    estimator: object = "training",
    stochastic: bool = False,
    **parameters: object,
) -> Cascade:
    subject = Subject(Target(model, stochastic=stochastic), samples, batch_size=batch_size)
    with subject.target.frozen():
        cascade = Cascade(subject, Ball(eps, norm), keep_images=len(samples))
        cascade.attack(stage(name, attacks.create(name, **parameters), estimator))  # type: ignore[arg-type]
    return cascade


def linear_samples(count: int = 64) -> tuple[Linear, ArraySamples]:
    """Two classes that meet at grey, so that balls of every size hold some samples and not others.

    Two more are never in reach: with them the margin would have local minima, where an attack may rightly stop.
    """
    model = Linear(classes=4)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.0, 0.0, -50.0, -50.0]) - 0.5 * model.weight.sum(1))
    images = 0.25 + 0.5 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return model, ArraySamples(images, model(images).argmax(1).detach())


def linear_margin(model: Linear, samples: ArraySamples, eps: float, norm: Norm) -> Tensor:
    """The exact margin under the worst perturbation of the ball; no pixel can reach 0 or 1 at these eps."""
    with torch.no_grad():
        logits = model(samples.pixels)
        rows = model.weight[samples.labels][:, None] - model.weight[None]
        sizes = rows.abs().sum(2) if norm == "linf" else rows.norm(dim=2)
        gaps = logits.gather(1, samples.labels[:, None]) - logits - eps * sizes
    result: Tensor = gaps.scatter(1, samples.labels[:, None], torch.inf).amin(1)
    return result


STRONG: dict[str, dict[str, Any]] = {
    "fgsm": {},
    "pgd": {"steps": 20},
    "mi_fgsm": {"steps": 20},
    "sa_pgd": {"steps": 50},
    "apgd_ce": {"steps": 30},
    "apgd_dlr": {"steps": 30},
    "apgd_t": {"steps": 30, "targets": 2},
    "fab_t": {"steps": 20, "targets": 2},
    "square": {"queries": 600},
    "rays": {"queries": 600},
    "spsa": {"steps": 20, "directions": 32},
    "cw": {"steps": 100},
}


def supported(names: Iterable[str]) -> list[tuple[str, Norm]]:
    """Every attack with every norm that it declares."""
    return [
        (name, norm)
        for name in sorted(names)
        for norm in get_args(Norm)
        if norm in attacks.get(name).declaration.traits.norms
    ]


@pytest.mark.parametrize(("name", "norm"), supported(STRONG))
def test_linear_models_fall_exactly_where_they_must(name: str, norm: Norm) -> None:
    """A sample falls if and only if some image of its ball is misclassified, which has a closed form here."""
    model, samples = linear_samples()
    eps = 0.05 if norm == "linf" else 0.15
    exact = linear_margin(model, samples, eps, norm)
    assert 16 < int((exact < 0).sum()) < 48
    found = attacked(model, samples, name, eps, norm, **STRONG[name]).broken_by > 0
    assert not found[exact > 1e-4].any(), "no attack breaks what cannot be broken"
    # Finite differences along 32 of 2^16 signs; the projections of torchattacks' FAB; a random search for a direction.
    slack = {"spsa": 0.05, "fab_t": 0.01, "square": 0.05 if norm == "l2" else 1e-4}.get(name, 1e-4)
    assert found[exact < -slack].all()


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("evaluation", ["snn_standard", "autoattack"])
def test_models_of_few_classes_meet_the_whole_set(classes: int, evaluation: str) -> None:
    """The targeted DLR loss needs four; its member falls back on a margin instead of stopping the cascade."""
    model, samples = linear_samples(12)
    few = Linear(classes=classes)
    with torch.no_grad():
        few.weight.copy_(model.weight[:classes])
        few.bias.copy_(model.bias[:classes])
    entry = {evaluation: {"eps": 0.05} | ({"most_steps": 200} if evaluation == "snn_standard" else {})}
    (found,) = evaluate(few, samples.pixels, samples.labels, [entry])
    exact = linear_margin(model, samples, 0.05, "linf")
    assert 0 < int((exact > 0).sum()) < 12
    assert torch.equal(torch.as_tensor(found.columns["correct"]), exact > 0)


@pytest.mark.parametrize(("name", "norm"), supported({*STRONG, "noise"}))
def test_an_attack_ends_when_everybody_has_fallen(name: str, norm: Norm) -> None:
    model, samples = linear_samples(8)
    eps, parameters = (0.5, {"tries": 200}) if name == "noise" else (0.25, STRONG[name])
    cascade = attacked(model, samples, name, eps if norm == "linf" else 8 * eps, norm, **parameters)
    assert (cascade.broken_by == 1).all()


@pytest.mark.parametrize(("name", "norm"), supported(QUICK))
def test_batch_size_changes_nothing_and_every_claim_holds(name: str, norm: Norm) -> None:
    model, samples = trained(), held_out_samples(10)
    eps = {"linf": 0.5, "l2": 6.0}[norm] if name == "noise" else {"linf": 0.15, "l2": 0.8}[norm]
    cascades = [attacked(model, samples, name, eps, norm, size, **QUICK[name]) for size in (1, 7, 64)]
    one = cascades[0]
    for other in cascades[1:]:
        assert torch.equal(one.broken_by, other.broken_by)
        assert torch.equal(one.queries, other.queries)
        assert all(torch.equal(image, other.images[row]) for row, image in one.images.items())
    assert one.reports[0].unverified == 0
    rows = (one.broken_by > 0).nonzero()[:, 0]
    assert len(rows), "or nothing was verified"
    images = torch.stack([one.images[row] for row in rows.tolist()])
    assert Ball(eps, norm).contains(images, samples.images(rows)).all()
    assert not correct(Target(model)(images), samples.labels[rows]).any()


def test_every_attack_is_tested() -> None:
    shipped = {name for name in attacks.names() if not attacks.get(name).source}  # other tests register plug-ins
    assert shipped - {"apgd"} == set(QUICK)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), eps=st.floats(1e-3, 1.0), norm=st.sampled_from(["linf", "l2"]))
def test_projection_lands_in_the_ball_and_leaves_members_alone(seed: int, eps: float, norm: Norm) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 2, 4, 4, generator=generator)
    wild = 3.0 * torch.randn(3, 2, 4, 4, generator=generator)
    wild[0, 0, 0, 0] = torch.nan
    ball = Ball(eps, norm)
    inside = ball.project(wild, clean)
    assert ball.contains(inside, clean).all()
    torch.testing.assert_close(ball.project(inside, clean), inside, atol=1e-6, rtol=1e-5)


def test_a_nan_image_is_a_failed_attack() -> None:
    clean = torch.full((1, 1, 2, 2), 0.5)
    assert not Ball(0.1).contains(torch.full_like(clean, torch.nan), clean).any()


def test_best_iterate_is_never_above_last_iterate() -> None:
    model, samples = trained(), held_out_samples(60)
    best = attacked(model, samples, "pgd", 0.15, steps=10)
    batch = next(samples.batches(60))
    target = Target(model)
    with target.frozen():
        active = ActiveSet(target, batch, Ball(0.15), batch.random(0, "pgd"), batch_size=64, leave=False)
        images = active.start(0)
        for _ in range(10):
            images = active.project(images + 0.15 / 4 * active.gradient(images).gradient.sign())
        last = correct(target(images), batch.labels)
    assert not (last & (best.broken_by != SURVIVED)).all()
    assert best.robust_accuracy <= float(last.float().mean())
    assert (best.broken_by[~last] != SURVIVED).all(), "what the last iterate fools, the active set has dropped"


def test_survivors_only_are_asked_again() -> None:
    cascade = attacked(trained(), held_out_samples(60), "pgd", 0.15, steps=10)
    assert cascade.queries[cascade.broken_by == CLEAN].sum() == 0
    assert (cascade.queries[cascade.broken_by == SURVIVED] == 11).all()
    assert (cascade.queries[cascade.broken_by == 1] <= 11).all()
    assert cascade.queries[cascade.broken_by == 1].float().mean() < 9


class Masked(nn.Module):
    """An encoder under no_grad in front of a linear model: every gradient is zero."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images.detach())
        return logits


def test_sa_pgd_survives_all_zero_gradients() -> None:
    model, samples = linear_samples(16)
    cascade = attacked(Masked(model), samples, "sa_pgd", 0.15, steps=20)
    images = torch.stack([cascade.images[row] for row in range(16)])
    assert images.isfinite().all()
    assert (images != samples.pixels).flatten(1).any(1).all(), "it walks at random"
    assert (cascade.broken_by == 1).sum() >= 4, "and meets some of those that the ball holds"


def test_square_sees_through_a_mask_and_pgd_does_not() -> None:
    model, samples = linear_samples()
    exact = linear_margin(model, samples, 0.05, "linf")
    blind = attacked(Masked(model), samples, "pgd", 0.05, random_start=False).broken_by > 0
    assert int(blind.sum()) < int((exact < 0).sum()) / 2, "steps of random signs meet few"
    found = attacked(Masked(model), samples, "square", 0.05, queries=600).broken_by > 0
    assert torch.equal(found, exact < 0)


class TwoFaced(nn.Module):
    """Answers wrongly where a gradient is asked for, and rightly where none is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images)
        result: Tensor = -logits if torch.is_grad_enabled() else logits
        return result


def test_a_claim_that_a_fresh_pass_does_not_confirm_is_a_survivor_with_a_flag() -> None:
    model, samples = linear_samples(8)
    entries: list[dict[str, Any]] = [
        {"pgd": {"eps": 0.01, "steps": 3, "random_start": False}},
        {"epsilon_curve": {"eps": [0.001, 0.01], "tier": "quick"}},
    ]
    found = evaluate(TwoFaced(model), samples.pixels, samples.labels, entries)
    assert found[0].accuracy == 1.0
    assert found[0].details["stages"][0]["unverified"] == 8
    assert all("unverified" in one.flags for one in found)
    honest = evaluate(model, samples.pixels, samples.labels, entries)
    assert not any("unverified" in one.flags for one in honest)


def test_step_size_schedule() -> None:
    assert halving_steps(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert halving_steps(1) == []


def test_per_sample_state_survives_the_shrinking_of_the_active_set() -> None:
    model, samples = trained(), held_out_samples(24)
    together = attacked(model, samples, "sa_pgd", 0.15, estimator="assg", steps=20)
    for row in (0, 5, 11, 17):
        alone = attacked(model, samples.subset(torch.tensor([row])), "sa_pgd", 0.15, estimator="assg", steps=20)
        assert alone.broken_by[0] == together.broken_by[row]
        assert alone.queries[0] == together.queries[row]


def test_stochastic_models_are_judged_on_fresh_draws() -> None:
    model, samples = linear_samples(12)
    cascade = attacked(Noisy(model, 0.3), samples, "pgd", 0.05, stochastic=True, steps=4)
    assert ((cascade.share > 0) & (cascade.share < 1)).any()
    assert torch.equal(cascade.share * 20, (cascade.share * 20).round())
    assert (cascade.queries[cascade.broken_by == SURVIVED] == 10 * 5).all()
    fallen = attacked(Noisy(model, 0.3), samples, "pgd", 0.4, stochastic=True, steps=4)
    assert (fallen.broken_by == 1).any()
    assert (fallen.queries[fallen.broken_by != CLEAN] == 10 * 5).all(), "ten wrong draws send nobody home"
    still = attacked(Noisy(model, 0.0), samples, "pgd", 0.05, stochastic=True, steps=4)
    assert set(still.share.unique().tolist()) <= {0.0, 1.0}


def test_a_stochastic_union_reports_what_the_selecting_draws_chose() -> None:
    """Taking the lower of two reported shares would lower the number by chance alone."""
    model, samples = linear_samples(12)
    one, other = (attacked(Noisy(model, 0.3), samples, "pgd", 0.02, stochastic=True, steps=2) for _ in range(2))
    other._select, other.share = one._select - 0.05, (one.share + 0.3).clamp_max(1.0)
    reported = other.share.clone()
    assert (reported > one.share).any()
    assert torch.equal(one.joined(other).share, reported)


def test_a_single_attack_takes_no_more_selecting_draws_than_it_reports() -> None:
    counted: list[int] = []

    class Counted(Noisy):
        def forward(self, images: Tensor) -> Tensor:
            counted.append(len(images))
            return super().forward(images)

    model, samples = linear_samples(8)
    for attack, draws in (("pgd", 20 + 20), ("snn_fast", 5 * 20 + 20)):
        counted.clear()
        entry = {attack: {"eps": 1e-6, "draws": 1} | ({"steps": 1} if attack == "pgd" else {})}
        (found,) = evaluate(Counted(model, 0.0), samples.pixels, samples.labels, [entry], stochastic=True)
        stages = len(found.details["stages"])
        asked = sum(stage["queries"] for stage in found.details["stages"]) // 8
        looked = 0 if attack == "pgd" else 1 + 2 * (1 + 8)  # the examination: a gradient, and steps of two lengths
        rest = sum(counted) / 8 - asked - looked
        assert rest == pytest.approx(draws * (1 + stages), abs=12), "the rest are probes"


def test_margin_and_ties() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [torch.nan, 1.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    assert margin(logits, labels)[:2].tolist() == [1.0, 0.0]
    assert correct(logits, labels).tolist() == [True, False, False]


def test_transfer_images_come_from_the_source() -> None:
    from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
    from robustbench_snn.suites.attacks.transfer import Transfer

    model, samples = linear_samples()
    subject = Subject(Target(model), samples)
    broken = []
    for source in (model, Linear(seed=5)):
        cascade = Cascade(subject, Ball(0.1))
        cascade.attack(stage("transfer", Transfer(Target(source), MIFGSM(steps=10))))
        broken.append(int((cascade.broken_by > 0).sum()))
    assert broken[0] > broken[1]


def test_a_stochastic_source_is_asked_as_often_as_was_asked_for_whatever_the_target() -> None:
    from robustbench_snn.suites.attacks.mi_fgsm import MIFGSM
    from robustbench_snn.suites.attacks.transfer import Transfer

    model, samples = linear_samples(4)
    batch, found = next(samples.batches(4)), []
    for stochastic in (False, True):
        source = CountingTarget(Noisy(model, 0.3), stochastic=True)
        active = ActiveSet(
            Target(Noisy(model, 0.0), stochastic=stochastic), batch, Ball(0.1), batch.random(0), batch_size=4, draws=7
        )
        Transfer(source, MIFGSM(steps=2)).run(active)
        found.append((source.seen, active.draws))
    assert found == [(4 * 7 * 3, 1), (4 * 7 * 3, 7)]


def test_fab_t_averages_the_draws_of_the_evaluation_and_no_others() -> None:
    model, samples = linear_samples(5)
    batch, found = next(samples.batches(5)), []
    for seed, size, draws in ((0, 5, 3), (0, 2, 3), (1, 5, 3), (0, 5, 4)):
        target = Target(Noisy(model, 0.3), stochastic=True)
        active = WatchedSet(target, batch, Ball(0.4), batch.random(seed), batch_size=size, draws=draws)
        attacks.create("fab_t", steps=10, targets=1).run(active)
        found.append(active.last)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[3])


def test_columns_are_plain() -> None:
    cascade = attacked(trained(), held_out_samples(8), "fgsm", 0.15)
    assert cascade.broken_by.numpy().dtype == np.int16
