"""Attacks and their engine: closed answers on linear models, invariants on spiking ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robustbench_snn.attacking.active import ActiveSet
from robustbench_snn.attacking.ball import Ball, Norm
from robustbench_snn.attacking.cascade import CLEAN, SURVIVED, Siege
from robustbench_snn.estimating import stage
from robustbench_snn.evaluation import Subject
from robustbench_snn.registry import attacks
from robustbench_snn.samples import ArraySamples, Samples
from robustbench_snn.scoring import correct, margin
from robustbench_snn.suites.attacks.sa_pgd import halving_steps
from robustbench_snn.target import Target
from tests.attack_models import Linear, Noisy, held_out_samples, trained

torch.set_num_threads(1)

QUICK: dict[str, dict[str, object]] = {
    "fgsm": {},
    "pgd": {"steps": 5, "restarts": 2},
    "mi_fgsm": {"steps": 5},
    "sa_pgd": {"steps": 8},
    "apgd_ce": {"steps": 6},
    "apgd_dlr": {"steps": 6},
    "apgd_t": {"steps": 5, "targets": 2},
    "fab_t": {"steps": 2, "targets": 1},
    "square": {"queries": 40},
    "spsa": {"steps": 2, "directions": 4},
    "cw": {"steps": 6, "search": 2},
    "noise": {"tries": 3},
}


def besiege(
    model: nn.Module,
    samples: Samples,
    name: str,
    eps: float,
    norm: Norm = "linf",
    batch_size: int = 64,
    estimator: object = "training",
    stochastic: bool = False,
    **parameters: object,
) -> Siege:
    subject = Subject(Target(model, stochastic=stochastic), samples, batch_size=batch_size)
    with subject.target.frozen():
        siege = Siege(subject, Ball(eps, norm), keep_images=len(samples))
        siege.attack(stage(name, attacks.create(name, **parameters), estimator))  # type: ignore[arg-type]
    return siege


def linear_samples(count: int = 64) -> tuple[Linear, ArraySamples]:
    model = Linear()
    images = 0.25 + 0.5 * torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return model, ArraySamples(images, model(images).argmax(1).detach())


def linear_margin(model: Linear, samples: ArraySamples, eps: float, norm: Norm) -> Tensor:
    """The exact margin under the worst perturbation of the ball; no pixel can reach 0 or 1 at these eps."""
    with torch.no_grad():
        logits = model(samples.pixels)
        rows = model.weight[samples.labels][:, None] - model.weight[None]
        sizes = rows.abs().sum(2) if norm == "linf" else rows.norm(dim=2)
        gaps = logits.gather(1, samples.labels[:, None]) - logits - eps * sizes
    return gaps.scatter(1, samples.labels[:, None], torch.inf).amin(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("pgd", {"steps": 40, "loss": "margin"}),
        ("sa_pgd", {"steps": 100, "loss": "margin"}),
        ("apgd_ce", {"steps": 50}),
        ("apgd_t", {"steps": 50, "loss": "margin"}),
        ("cw", {"steps": 100}),
    ],
)
def test_linear_models_fall_exactly_where_they_must(name: str, norm: Norm, parameters: dict[str, object]) -> None:
    if norm == "linf" and name == "cw":
        return
    model, samples = linear_samples()
    eps = 0.1 if norm == "linf" else 0.3
    exact = linear_margin(model, samples, eps, norm)
    found = besiege(model, samples, name, eps, norm, **parameters).broken_by > 0
    assert (exact < 0).any()
    assert (exact > 0).any()
    assert not found[exact > 1e-4].any(), "no attack breaks what cannot be broken"
    slack = 0.02 if name != "cw" else 0.2
    assert found[exact < -slack].all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", sorted(QUICK))
def test_batch_size_changes_nothing_and_every_claim_holds(name: str, norm: Norm) -> None:
    if norm not in attacks.get(name).declaration.traits["norms"]:
        return
    model, samples = trained(), held_out_samples(10)
    eps = 0.15 if norm == "linf" else 0.8
    sieges = [besiege(model, samples, name, eps, norm, size, **QUICK[name]) for size in (1, 7, 64)]
    one = sieges[0]
    for other in sieges[1:]:
        assert torch.equal(one.broken_by, other.broken_by)
        assert torch.equal(one.queries, other.queries)
        assert all(torch.equal(image, other.images[row]) for row, image in one.images.items())
    assert one.reports[0].unverified == 0
    rows = (one.broken_by > 0).nonzero()[:, 0]
    assert len(rows) or name in ("noise", "spsa", "cw"), "or nothing was verified"
    if len(rows):
        images = torch.stack([one.images[row] for row in rows.tolist()])
        assert Ball(eps, norm).contains(images, samples.images(rows)).all()
        assert not correct(Target(model)(images), samples.labels[rows]).any()


def test_every_attack_is_tested() -> None:
    assert set(attacks.names()) - {"apgd"} == set(QUICK)


@settings(max_examples=40, deadline=None)
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
    best = besiege(model, samples, "pgd", 0.15, steps=10)
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
    siege = besiege(trained(), held_out_samples(60), "pgd", 0.15, steps=10)
    assert siege.queries[siege.broken_by == CLEAN].sum() == 0
    assert (siege.queries[siege.broken_by == SURVIVED] == 11).all()
    assert (siege.queries[siege.broken_by == 1] <= 11).all()
    assert siege.queries[siege.broken_by == 1].float().mean() < 9


class Masked(nn.Module):
    """An encoder under no_grad in front of a linear model: every gradient is zero."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images.detach())


def test_sa_pgd_survives_all_zero_gradients() -> None:
    model, samples = linear_samples(16)
    siege = besiege(Masked(model), samples, "sa_pgd", 0.9, steps=20)
    images = torch.stack([siege.images[row] for row in range(16)])
    assert images.isfinite().all()
    assert (images != samples.pixels).flatten(1).any(1).all(), "it walks at random"
    assert (siege.broken_by == 1).any()


def test_square_sees_through_a_mask_and_pgd_does_not() -> None:
    model, samples = linear_samples()
    exact = linear_margin(model, samples, 0.1, "linf")
    assert not (besiege(Masked(model), samples, "pgd", 0.1, random_start=False).broken_by > 0).any()
    found = besiege(Masked(model), samples, "square", 0.1, queries=600).broken_by > 0
    assert found[exact < -0.4].all()


def test_step_size_schedule() -> None:
    assert halving_steps(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert halving_steps(1) == []


def test_per_sample_state_survives_the_shrinking_of_the_active_set() -> None:
    model, samples = trained(), held_out_samples(24)
    together = besiege(model, samples, "sa_pgd", 0.15, estimator="assg", steps=20)
    for row in (0, 5, 11, 17):
        alone = besiege(model, samples.subset(torch.tensor([row])), "sa_pgd", 0.15, estimator="assg", steps=20)
        assert alone.broken_by[0] == together.broken_by[row]
        assert alone.queries[0] == together.queries[row]


def test_stochastic_models_are_judged_on_fresh_draws() -> None:
    model, samples = linear_samples(12)
    siege = besiege(Noisy(model, 0.3), samples, "pgd", 0.05, stochastic=True, steps=4)
    assert ((siege.share > 0) & (siege.share < 1)).any()
    assert torch.equal(siege.share * 20, (siege.share * 20).round())
    assert (siege.queries[siege.broken_by == SURVIVED] == 10 * 5).all()
    still = besiege(Noisy(model, 0.0), samples, "pgd", 0.05, stochastic=True, steps=4)
    assert set(still.share.unique().tolist()) <= {0.0, 1.0}


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
        siege = Siege(subject, Ball(0.1))
        siege.attack(stage("transfer", Transfer(Target(source), MIFGSM(steps=10))))
        broken.append(int((siege.broken_by > 0).sum()))
    assert broken[0] > broken[1]


def test_columns_are_plain() -> None:
    siege = besiege(trained(), held_out_samples(8), "fgsm", 0.15)
    assert siege.broken_by.numpy().dtype == np.int16
