"""A replaced slope goes to the next layer and on in time, and never back into the membrane through its own reset."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn.estimator.contract import estimating
from robustbench_snn.model.input_gradient import input_gradient
from robustbench_snn.model.target import Target

IMAGES = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(3))
Step = Callable[[Tensor], Tensor]


class Rectangle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)  # type: ignore[attr-defined]
        return (u >= 0).to(u)

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors  # type: ignore[attr-defined]
        slope: Tensor = grads[0] * (u.abs() < 0.5)
        return slope


def by_function(v: Tensor) -> Tensor:
    spikes: Tensor = Rectangle.apply(v - 1.0)
    return spikes


def by_comparison(v: Tensor) -> Tensor:
    return (v >= 1.0).float()


def by_heaviside(v: Tensor) -> Tensor:
    return torch.heaviside(v - 1.0, v.new_ones(()))


RESETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "v - s": lambda v, s: v - s,
    "v - s theta": lambda v, s: v - s * 1.0,
    "v (1 - s)": lambda v, s: v * (1.0 - s),
    "(1 - s) v": lambda v, s: (1 - s) * v,
    "v - s v": lambda v, s: v - s * v,
    "v / 2 - s / 2": lambda v, s: v / 2.0 - s / 2.0,
    "v -= s": lambda v, s: v.sub_(s),
    "v *= 1 - s": lambda v, s: v.mul_(1.0 - s),
}


class Net(nn.Module):
    """Two layers whose resets are in the graph, or detached, as it is told."""

    def __init__(self, fire: Step, reset: Callable[[Tensor, Tensor], Tensor], detached: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.read = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 5)
        self.fire, self.reset, self.detached = fire, reset, detached

    def forward(self, images: Tensor) -> Tensor:
        drive = 3.0 * self.first(images.flatten(1))
        one, two, total = torch.zeros_like(drive), torch.zeros_like(drive), torch.zeros(len(drive), 5)
        for _ in range(4):
            one = 0.5 * one + drive
            s = self.fire(one)
            one = self.reset(one, s.detach() if self.detached else s)
            two = 0.5 * two + 3.0 * self.second(s)
            z = self.fire(two)
            two = self.reset(two, z.detach() if self.detached else z)
            total = total + self.read(z)
        return total


class Gated(nn.Module):
    """Spikes of one layer gate the membrane of another: no reset of their own."""

    def __init__(self, detached: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.read = nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 5)
        self.detached = detached

    def forward(self, images: Tensor) -> Tensor:
        one, two = self.first(images.flatten(1)) + 1.0, self.second(images.flatten(1))
        s = by_function(one)
        logits: Tensor = self.read(two * (1.0 - (s.detach() if self.detached else s)))
        return logits


def gradient(model: nn.Module, estimator: object) -> Tensor:
    target = Target(model)
    with target.frozen(), estimating(target, estimator, IMAGES):  # type: ignore[arg-type]
        images = IMAGES.clone().requires_grad_()
        return input_gradient(target(images)[:, 0].sum(), images)


@pytest.mark.parametrize("estimator", ["assg", "ste", {"atan": {"alpha": 3.0}}], ids=str)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("fire", [by_function, by_comparison, by_heaviside], ids=lambda fire: fire.__name__)
def test_a_reset_in_the_graph_is_left_out(fire: Step, reset: str, estimator: object) -> None:
    inside, detached = (gradient(Net(fire, RESETS[reset], detached), estimator) for detached in (False, True))
    assert bool(inside.any())
    assert torch.equal(inside, detached)


def test_where_resets_too() -> None:
    def hard(v: Tensor, s: Tensor) -> Tensor:
        return torch.where(v >= 1.0, torch.zeros_like(v), v)

    inside, detached = (gradient(Net(by_comparison, rule, True), "assg") for rule in (hard, lambda v, s: v * (1.0 - s)))
    assert bool(inside.any())
    assert torch.equal(inside, detached)


def test_the_models_own_gradient_keeps_its_reset() -> None:
    inside, detached = (gradient(Net(by_function, RESETS["v - s"], detached), "training") for detached in (False, True))
    assert not torch.equal(inside, detached)


def test_spikes_that_gate_another_membrane_keep_their_slope() -> None:
    kept, cut = (gradient(Gated(detached), "ste") for detached in (False, True))
    assert bool(cut.any())
    assert not torch.equal(kept, cut)


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("v_reset", [0.0, None], ids=["hard", "soft"])
@pytest.mark.parametrize("estimator", ["assg", "pdsg", "rectangle", "training"])
def test_library_neurons_do_alike(estimator: str, v_reset: float | None, step_mode: str) -> None:
    class Library(nn.Module):
        def __init__(self, detach_reset: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.read = nn.Linear(16, 24), nn.Linear(24, 5)
            self.spike = neuron.LIFNode(v_reset=v_reset, detach_reset=detach_reset, step_mode=step_mode)

        def forward(self, images: Tensor) -> Tensor:
            drive = (3.0 * self.first(images.flatten(1))).expand(4, -1, -1)
            spikes = self.spike(drive) if step_mode == "m" else torch.stack([self.spike(x) for x in drive])
            logits: Tensor = self.read(spikes).sum(0)
            return logits

    inside, detached = (gradient(Library(detached), estimator) for detached in (False, True))
    assert bool(inside.any())
    assert torch.equal(inside, detached) == (estimator != "training")
