"""Gradients that lead somewhere are told from those that do not, before an attack relies on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.examination import Examination, examine
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.estimator.census import census_of
from robustbench_snn.estimator.contract import estimating
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.target import Target, Through
from tests.attack_models import Linear, held_out, held_out_samples, trained


class Wrapped(nn.Module):
    """A trained network with something before and behind it."""

    def __init__(
        self, before: Callable[[Tensor], Tensor] = lambda x: x, behind: Callable[[Tensor], Tensor] = lambda z: z
    ) -> None:
        super().__init__()
        self.model, self.before, self.behind = trained(), before, behind

    def forward(self, images: Tensor) -> Tensor:
        return self.behind(self.model(self.before(images)))


def looked_at(model: nn.Module) -> Examination:
    target = Target(model.eval())
    with target.frozen():
        return examine(Subject(target, held_out_samples(32)), Ball(0.1))


def one_hot(logits: Tensor) -> Tensor:
    return nn.functional.one_hot(logits.argmax(1), 10).float()


def by_hand(images: Tensor) -> Tensor:
    return torch.from_numpy(images.detach().numpy().copy())


def test_an_honest_model_passes() -> None:
    found = looked_at(trained())
    assert min(found.own, found.reached) > 0.9
    assert found.passes_through == Through.NO
    assert found.flags == []


@pytest.mark.parametrize(
    ("model", "own", "through"),
    [
        (Wrapped(before=Tensor.detach), 0.2, True),
        (Wrapped(before=lambda x: (x * 15.0).round() / 15.0), 0.3, False),
        (Wrapped(behind=one_hot), 0.1, False),
        (Wrapped(behind=lambda z: (50.0 * z).tanh()), 0.2, False),
    ],
    ids=["detached", "16 levels", "one-hot", "saturated"],
)
def test_what_hides_the_gradient_is_got_around(model: nn.Module, own: float, through: bool) -> None:
    found = looked_at(model)
    assert found.own <= own
    assert found.useful > 0.8
    assert found.passes_through == (Through.VALUES if through else Through.NO)
    assert "useless_gradients" not in found.flags


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_loss_is_taken_before_the_exit_of_a_stochastic_model_too(batch_size: int) -> None:
    class Exit(nn.Module):
        def __init__(self, noise: float) -> None:
            super().__init__()
            self.model, self.noise = Linear(), noise

        def forward(self, images: Tensor) -> Tensor:
            logits = self.model(images + self.noise * torch.randn_like(images))
            return nn.functional.one_hot(logits.argmax(1), 3).float()

    images = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    batch, slopes = Batch(images, torch.zeros(5, dtype=torch.int64), torch.arange(5), torch.arange(5)), []
    for target in (Target(Exit(0.0).eval()), Target(Exit(1e-3).eval(), stochastic=True)):
        with target.frozen(), estimating(target, "atan", images) as state:
            active = ActiveSet(
                target, batch, Ball(0.1), batch.random(0), batch_size=batch_size, draws=2, state=state, leave=False
            )
            slopes.append(active.gradient(images, "margin").gradient)
        found = census_of(target, None)
        assert found is not None
        assert found.squashed
    assert slopes[0].flatten(1).any(1).all()
    torch.testing.assert_close(*slopes)


def test_what_no_gradient_gets_through_is_flagged() -> None:
    found = looked_at(Wrapped(before=by_hand))
    assert found.useful < 0.2
    assert found.flags == ["useless_gradients"]


@pytest.mark.parametrize(("scale", "flagged"), [(1e6, True), (1e-6, True), (3.0, False)])
def test_logits_out_of_scale_are_flagged(scale: float, flagged: bool) -> None:
    assert ("scale_dependent" in looked_at(Wrapped(behind=lambda z: z * scale)).flags) == flagged


def test_attacks_pass_through_where_it_helps_and_the_record_says_so() -> None:
    images, labels = held_out(16)
    plain, masked = (
        evaluate(model, images, labels, [{"snn_fast": {"eps": 0.1}}])[0]
        for model in (trained(), Wrapped(before=Tensor.detach))
    )
    assert masked.details["examination"]["passes_through"] == "values"
    assert plain.details["examination"]["passes_through"] == "no"
    assert masked.accuracy <= plain.accuracy + 1.5 / 16
    assert masked.accuracy < masked.metrics["clean_accuracy"]


def test_a_surrogate_by_detaching_is_passed_through_so_that_estimators_have_an_effect() -> None:
    class Trick(nn.Module):
        def forward(self, drive: Tensor) -> Tensor:
            v, spikes = torch.zeros_like(drive[0]), []
            for x in drive:
                v = v + (x - v) / 2.0
                soft = torch.sigmoid(4.0 * (v - 1.0))
                spike = ((v >= 1.0).to(v) - soft).detach() + soft
                v = v * (1.0 - spike.detach())
                spikes.append(spike)
            return torch.stack(spikes)

    model = trained()
    model.spike1, model.spike2 = Trick(), Trick()
    found = looked_at(model)
    assert found.idle
    assert found.own > 0.9
    assert found.passes_through != Through.NO
    assert not looked_at(trained()).idle


def test_slopes_are_constants_where_detach_is_passed_through() -> None:
    """Or the averages that ASSG keeps would carry the graph of every step before."""
    target, (images, labels) = Target(Wrapped(before=Tensor.detach).eval()), held_out(8)
    target.through = Through.VALUES
    sizes = []
    with target.frozen(), estimating(target, "assg", images) as estimator:
        for _ in range(3):
            leaf = images.clone().requires_grad_()
            with estimator.rows(torch.arange(8), frozen=False):
                loss = nn.functional.cross_entropy(target(leaf), labels)
            sizes.append(nodes(loss.grad_fn))
    assert sizes[0] == sizes[1] == sizes[2]


def nodes(node: object) -> int:
    seen, stack = set(), [node]
    while stack:
        one = stack.pop()
        if one is not None and one not in seen:
            seen.add(one)
            stack += [following for following, _ in one.next_functions]  # type: ignore[attr-defined]
    return len(seen)
