"""Spikes are reached wherever they are made: the same network, written in many ways, has one and the same gradient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.estimator.census import take
from robustbench_snn.estimator.contract import SpikeEstimator, estimating
from robustbench_snn.estimator.firing import Firing, firings
from robustbench_snn.estimator.spike_functions import functions
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target, Through
from robustbench_snn.testing.watching import living_tensors

STEPS = 3
IMAGES = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Late(torch.autograd.Function):
    """The usual style; its own slope is zero."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        return (u >= 0).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * 0.0


class Apart(torch.autograd.Function):
    """The style with ``setup_context``, and the threshold as an argument."""

    @staticmethod
    def forward(v: Tensor, threshold: float) -> Tensor:
        return (v > threshold).to(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return torch.randn_like(grads[0]), None


class Inherited(Late):
    """Defines nothing of its own."""


bound = Late.apply  # bound long before any estimator is in force


def hidden(v: Tensor) -> Tensor:
    with torch.no_grad():
        return (v >= 1.0).float()


FIRE: dict[str, Callable[[Tensor], Tensor]] = {
    "a Function, bound long ago": lambda v: bound(v - 1.0),
    "a Function with setup_context": lambda v: Apart.apply(v, 1.0),
    "a Function that inherits": lambda v: Inherited.apply(v - 1.0),
    "(v >= th).float()": lambda v: (v >= 1.0).float(),
    "(th <= v).to(v)": lambda v: (v >= 1.0).to(v),
    "v.gt(th) * 1.0": lambda v: v.gt(1.0) * 1.0,
    "where": lambda v: torch.where(v >= 1.0, 1.0, 0.0),
    "heaviside": lambda v: torch.heaviside(v - 1.0, torch.tensor(1.0)),
    "~(v < th)": lambda v: (~(v < 1.0)).float(),
    "half a sign": lambda v: ((v - 1.0).sign() + 1.0) / 2.0,
}
CUT: dict[str, Callable[[Tensor], Tensor]] = {
    "under no_grad": hidden,
    "detached": lambda v: (v.detach() >= 1.0).float(),
    "of .data": lambda v: (v.data >= 1.0).float(),
}


class Net(nn.Module):
    """A LIF layer that fires as it is told, over three steps."""

    def __init__(self, fire: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.drive, self.read = nn.Linear(16, 12), nn.Linear(12, 5)
        self.fire = fire

    def forward(self, images: Tensor) -> Tensor:
        v, total = torch.zeros(len(images), 12), torch.zeros(len(images), 12)
        for _ in range(STEPS):
            v = v / 2.0 + 2.0 * self.drive(images.flatten(1))
            spikes = self.fire(v)
            total = total + spikes
            v = v * (1.0 - spikes.detach())
        logits: Tensor = self.read(total / STEPS)
        return logits


class AllSteps(Net):
    """Fires over as many steps as a padded batch has samples, all of them at once."""

    def forward(self, images: Tensor) -> Tensor:
        drive = 2.0 * self.drive(images.flatten(1))
        logits: Tensor = self.read(self.fire(drive + torch.linspace(0.0, 2.0, 8)[:, None, None]).mean(0))
        return logits


ALL_STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "PSN": neuron.PSN(T=8).requires_grad_(False),
    "(T, B, N)": lambda v: bound(v - 1.0),
    "(T, B N)": lambda v: bound(v.flatten(1) - 1.0).view_as(v),
    "(T B, N)": lambda v: bound(v.flatten(0, 1) - 1.0).view_as(v),
    "(B, T, N)": lambda v: bound(v.transpose(0, 1) - 1.0).transpose(0, 1),
    "(groups, T, B, N)": lambda v: torch.cat([*bound(torch.stack(v.chunk(2, 2)) - 1.0)], 2),
    "(T, B, N), compared": lambda v: (v >= 1.0).float(),
    "(B, N), then (T, B N)": lambda v: bound(v[0] - 0.5) * bound(v.flatten(1) - 1.0).view_as(v),
}


class ByHand(torch.autograd.Function):
    """The reference: a Heaviside step with the slope 1 / (1 + |u|), written into the network itself."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 0).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        slope: Tensor = grads[0] / (1.0 + u.abs())
        return slope


class Slope(SpikeEstimator):
    """The same slope as an estimator."""

    def derivative(self, membrane: Tensor) -> Tensor:
        return 1.0 / (1.0 + membrane.abs())


def gradient(model: nn.Module, estimator: SpikeEstimator | None = None, *, through: Through = Through.NO) -> Tensor:
    target = Target(model.eval())
    target.through = through
    leaf = IMAGES.clone().requires_grad_()
    with nullcontext() if estimator is None else estimating(target, estimator, IMAGES):
        loss = (target(leaf) * torch.arange(5.0)).sum()
        return input_gradient(loss, leaf)


EXPECTED = gradient(Net(lambda v: ByHand.apply(v - 1.0)))


@pytest.mark.parametrize("name", FIRE)
def test_one_gradient_however_it_is_written(name: str) -> None:
    model = Net(FIRE[name])
    own = gradient(model)
    census = take(Target(model), IMAGES)
    assert (census.spikes, census.unreached) == (STEPS, ())
    torch.testing.assert_close(gradient(model, Slope()), EXPECTED)
    if "setup" not in name:  # that one's own slope is random
        assert torch.equal(gradient(model), own), "all is restored"


@pytest.mark.parametrize("estimator", ["assg", "pdsg"])
@pytest.mark.parametrize("name", ALL_STEPS)
def test_samples_are_told_from_steps_that_are_as_many(name: str, estimator: str) -> None:
    images = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for size in (16, 8, 1):
        target = Target(AllSteps(ALL_STEPS[name]).eval())
        (batch,) = ArraySamples(images[:size], torch.zeros(size, dtype=torch.int64)).batches(size)
        with target.frozen(), estimating(target, estimator, images[:8]) as state:
            active = ActiveSet(
                target, batch, Ball(0.3), batch.random("steps"), batch_size=size, state=state, leave=False
            )
            found.append(torch.stack([active.gradient(batch.images).gradient[0] for _ in range(2)]))
    assert found[0].any()
    assert torch.equal(found[1], found[0])
    assert torch.equal(found[2], found[0])


def test_a_model_of_one_batch_size_has_a_census() -> None:
    class Eight(Net):
        def forward(self, images: Tensor) -> Tensor:
            assert len(images) == 8
            return super().forward(images)

    torch.testing.assert_close(gradient(Eight(FIRE["(v >= th).float()"]), Slope()), EXPECTED)


@pytest.mark.parametrize("name", CUT)
def test_what_is_cut_off_is_named_and_reached_through_the_cut(name: str) -> None:
    model = Net(CUT[name])
    census = take(Target(model), IMAGES)
    assert census.cut
    assert census.unreached == ("",), "the model itself, which has no parts that fire"
    assert not gradient(model, Slope()).any()
    found = gradient(model, Slope(), through=Through.ALL)
    assert float((found * EXPECTED).sum() / found.norm() / EXPECTED.norm()) > 0.5  # the reset has a gradient now, too
    assert not gradient(model, Slope()).any(), "all is restored"


@pytest.mark.parametrize("name", [*FIRE, *CUT])
def test_gradients_that_are_done_leave_nothing_behind(name: str) -> None:
    target = Target(Net((FIRE | CUT)[name]).eval())
    target.through = Through.ALL if name in CUT else Through.NO
    kept = []
    with estimating(target, Slope(), IMAGES):
        for uses in (2, 3):
            for _ in range(uses):
                leaf = IMAGES.clone().requires_grad_()
                input_gradient(target(leaf).sum(), leaf)
            kept.append(living_tensors())
    assert kept[1] <= kept[0]


def test_the_model_s_own_gradient_is_helped_where_it_has_none() -> None:
    model = Net(FIRE["(v >= th).float()"])
    assert not gradient(model).any()
    target, leaf = Target(model), IMAGES.clone().requires_grad_()
    with estimating(target, "training", IMAGES):
        (found,) = torch.autograd.grad(target(leaf).sum(), leaf)
    assert found.any()


def test_functions_are_restored_even_on_error() -> None:
    before = [(kind, dict(vars(kind))) for kind in functions()]
    with pytest.raises(ZeroDivisionError), estimating(Target(Net(FIRE["a Function that inherits"])), Slope(), IMAGES):
        raise ZeroDivisionError
    assert [(kind, dict(vars(kind))) for kind in functions()] == before


def test_other_threads_keep_their_own_gradient() -> None:
    model, other = Net(FIRE["a Function, bound long ago"]), Net(FIRE["a Function, bound long ago"])
    found: list[Tensor] = []
    with estimating(Target(model), Slope(), IMAGES):
        thread = threading.Thread(target=lambda: found.append(gradient(other)))
        thread.start()
        thread.join()
    assert not found[0].any(), "the slope of its own Function is zero"


def test_a_model_whose_spikes_change_from_call_to_call_is_refused() -> None:
    class Fickle(Net):
        def forward(self, images: Tensor) -> Tensor:
            logits = super().forward(images)
            if LATER:
                self.fire(images)  # changes nothing but the number of spikes
            return logits

    LATER: list[bool] = []
    model = Fickle(FIRE["(v >= th).float()"]).eval()
    gradient(model, Slope())

    class Another(Slope):
        pass

    LATER.append(True)
    with pytest.raises(UserError, match="gave 4 slopes in a forward pass of Fickle, in which 3 spikes"):
        gradient(model, Another())


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_is_refused_but_for_attacks_without_gradients() -> None:
    model = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), IMAGES)
    with pytest.raises(UserError, match="holds TorchScript"):
        take(Target(nn.Sequential(model)), IMAGES)
    labels = model(IMAGES).argmax(1)
    (found,) = evaluate(model, IMAGES, labels, [{"attack": {"attack": "noise", "eps": 0.01}}])
    assert found.accuracy > 0.0


def test_what_a_function_does_is_told_from_its_values() -> None:
    u = torch.tensor([-0.6, 0.0, 0.4, 0.9, 2.2])
    assert firings((u,), (u >= 0).float()) == {Firing(0, None, "u >= 0")}
    assert firings((u,), (u > 0).float()) == {Firing(0, None, "u > 0")}
    either = {Firing(0, 1, step) for step in ("u >= 0", "u > 0", "divide")}
    assert firings((u, 0.5), (u >= 0.5).float()) == {*either, Firing(0, None, "round")}
    assert firings((u,), u.round().clamp(0, 2)) == {Firing(0, None, "round")}
    assert firings((u,), u.floor().clamp(0, 2)) == {Firing(0, None, "floor")}
    assert firings((u,), u.relu()) == set()
    assert firings((u,), (u, u)) == set()
    three = Firing(0, None, "round").slope((u,), u.round().clamp(0, 2), lambda v: (v.abs() < 0.25).float())
    assert three.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0], "jumps at 0.5 and 1.5"


class Several(torch.autograd.Function):
    """As many spikes as thresholds fit into the membrane potential."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, threshold: float) -> Tensor:
        return (v > 0) * torch.div(v, threshold, rounding_mode="trunc")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * 0.0, None


def test_several_spikes_in_one_step_take_the_slope_of_the_nearest_threshold() -> None:
    v, threshold = torch.tensor([-0.9, 0.2, 0.29, 0.5, 0.75, 3.0]), 0.3
    (firing,) = firings((v, threshold), spikes := Several.apply(v, threshold))
    assert firing == Firing(0, 1, "divide")
    found = firing.slope((v, threshold), spikes, lambda u: u)
    torch.testing.assert_close(found, v - torch.tensor([0.3, 0.3, 0.3, 0.6, 0.6, 3.0]))
    model = Net(lambda membrane: Several.apply(membrane, 0.3))
    census = take(Target(model), IMAGES)
    assert (census.spikes, census.unreached) == (STEPS, ())
    assert gradient(model, Slope()).any()
    assert not gradient(model).any()


@pytest.mark.parametrize("firing", [Firing(0, None, "round"), Firing(0, None, "floor")])
def test_a_staircase_has_the_same_slopes_whatever_the_batch(firing: Firing) -> None:
    v = torch.rand(8, 5, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 9.0)[:, None]
    spikes = v.round() if firing.step == "round" else v.floor()
    slope = Slope().derivative
    alone = [firing.slope((v[row],), spikes[row], slope) for row in range(8)]
    assert torch.equal(firing.slope((v,), spikes, slope), torch.stack(alone))
