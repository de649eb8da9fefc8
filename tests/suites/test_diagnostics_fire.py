"""Each flag of the diagnostics, on a model built to raise it and on an honest one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.evaluation.flags import FLAGS as EXPLAINED
from robustbench_snn.suites.diagnostics import FLAGS
from tests.attack_models import Linear, held_out, trained

torch.set_num_threads(1)

COUNT = 24
EPS = 0.1
STEPS = 8
CENTRE = 128 / 255


class Misled(nn.Module):
    """Two classes by a margin of one kind, gradients by another: the margin is wrong only where ``wrong`` says.

    Args:
        wrong: of the images' offsets from grey, (B, 16), bool (B,).
        climb: whose gradient an attack sees in place of the margin's, of the same offsets, (B,).
    """

    def __init__(self, wrong: Callable[[Tensor], Tensor], climb: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.wrong, self.climb = wrong, climb

    def forward(self, images: Tensor) -> Tensor:
        offsets = images.flatten(1) - CENTRE
        seen = -self.climb(offsets)
        margin = torch.where(self.wrong(offsets), -1.0, 1.0) + seen - seen.detach()
        return torch.stack([margin, -margin], 1)  # saturated cross-entropy sees the wrong class alone


class OneByOne(nn.Module):
    """Counts pixels at the ball's edge; its gradient shows one at a time, the first that is not there yet."""

    def forward(self, images: Tensor) -> Tensor:
        offsets = images.flatten(1) - CENTRE
        waiting = torch.from_numpy(offsets.detach().numpy() < EPS - 1e-3)  # where no estimator sees the comparison
        seen = -torch.where(waiting & (waiting.cumsum(1) == 1), offsets, 0.0).sum(1)
        margin = torch.where(waiting, 2.0, 1.0).sum(1) + seen - seen.detach()
        return torch.stack([margin, -margin], 1)


class Decoy(nn.Module):
    """One neuron fires for bright images and decides; another never fires, is close to it, and says: go darker.

    Narrow surrogates hear the second one alone; in a wide one, such as a triangle, the first is louder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fire = surrogate.ATan(alpha=10.0)

    def forward(self, images: Tensor) -> Tensor:
        bright = 10.0 * (images.flatten(1) - CENTRE).mean(1)
        third = torch.ones_like(bright)  # fires always: a layer in which nobody does is not known for one
        spikes = self.fire(torch.stack([bright - 0.6, -0.001 * bright - 0.002, third], 1))
        margin = 1.0 - 2.0 * spikes[:, 0] - 300.0 * spikes[:, 1]
        return torch.stack([margin, -margin], 1)


class ByNumPy(nn.Module):
    """Spikes made where no one sees it, with a slope that is put on by hand."""

    def forward(self, images: Tensor) -> Tensor:
        fired = torch.from_numpy((images.detach().numpy() > 0.5).astype("float32"))
        return fired + (images - images.detach())


class Altered(nn.Module):
    """A linear model of something made of the images."""

    def __init__(self, alter: Callable[[Tensor], Tensor], scale: float = 1.0) -> None:
        super().__init__()
        self.alter, self.linear, self.scale = alter, Linear(), scale

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.scale * self.linear(self.alter(images))
        return logits


class Forgetful(neuron.IFNode):  # type: ignore[misc]
    """Loses its input's gradient in eval mode, in part."""

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = super().forward(x if self.training else (x + x.detach()) / 2)
        return logits


class Spiking(nn.Module):
    """One linear layer, its neurons over four steps, and another."""

    def __init__(self, kind: type[neuron.IFNode]) -> None:
        super().__init__()
        self.read_in, self.spike, self.read_out = Linear(classes=24), kind(step_mode="m"), Linear(24, seed=1)

    def forward(self, images: Tensor) -> Tensor:
        spikes = self.spike(self.read_in(images).expand(4, -1, -1).contiguous())
        logits: Tensor = self.read_out(spikes.mean(0))
        return logits


def between(low: float, high: float, pixel: int = 0) -> Callable[[Tensor], Tensor]:
    """Whether the offset of one pixel lies between two."""
    return lambda offsets: (offsets[:, pixel] > low) & (offsets[:, pixel] < high)


def upwards(offsets: Tensor) -> Tensor:
    """The first pixel: an attack on it only ever brightens that one."""
    return offsets[:, 0]


def turned(offsets: Tensor) -> Tensor:
    """The first two pixels, each up to the edge of the ball, and there one step back."""
    two = offsets[:, :2]
    edge = torch.from_numpy(two.detach().numpy() > EPS - 1e-3)  # where no estimator sees the comparison
    return torch.where(edge, -two, two).sum(1)


def one_step_back(offsets: Tensor) -> Tensor:
    """Both pixels stand one step of 2.5 eps / STEPS away from the edge; steps half as long turn half way."""
    return ((offsets[:, :2] - (EPS - 2.5 * EPS / STEPS)).abs() < 1e-3).all(1)


def nudged(offsets: Tensor) -> Tensor:
    """Bits of the first pixel below one grey level."""
    levels = (offsets[:, 0] + CENTRE) * 255.0
    return (levels - levels.round()).abs() > 0.2


def column(offsets: Tensor) -> Tensor:
    """A dark column of four pixels: squares find it, and no image of independent pixels."""
    return (offsets[:, 1::4] < -0.06).all(1)


def grey(side: int = 4) -> tuple[Tensor, Tensor]:
    """Images half way between black and white, all of class 0."""
    return torch.full((COUNT, 1, side, side), CENTRE), torch.zeros(COUNT, dtype=torch.int64)


def own(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Random images that the model gets right."""
    images = 0.25 + 0.5 * torch.rand(COUNT, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    return images, model(images).argmax(1).detach()


def flags(model: nn.Module, images: Tensor, labels: Tensor, steps: int = STEPS) -> set[str]:
    entry = {"diagnostics": {"eps": EPS, "samples": COUNT, "steps": steps, "queries": 60}}
    (found,) = evaluate(model, images, labels, [entry])
    judged = set(found.flags) & set(FLAGS)
    assert found.metrics["passed"] == pytest.approx(1 - len(judged) / 17)
    return set(found.flags)


BUILT: dict[tuple[str, ...], nn.Module] = {
    # iterates come to rest at the edge of the ball, in the window; those of twice the ball beyond it
    ("accuracy_rises_with_eps",): Misled(between(0.08, 0.11), upwards),
    ("more_steps_help_defender",): Misled(one_step_back, turned),
    # a column of dark pixels that no gradient leads to
    ("black_box_beats_white_box", "useless_gradients"): Misled(column, upwards),
    # random draws fall into a window that no gradient leads to, nor any image of the whole space
    ("noise_beats_attack", "restarts_matter", "unbounded_attack_fails"): Misled(between(-0.08, -0.04, 1), upwards),
    ("foreign_gradients_stronger",): Decoy(),
    ("loss_still_rising",): OneByOne(),
    # iterates pass through a window and end beyond it
    ("last_iterate_gap",): Misled(between(0.0, 0.05), upwards),
    ("rounding_undoes_attack",): Misled(nudged, upwards),
}
BROKEN: dict[tuple[str, ...], nn.Module] = {
    ("zero_gradient",): Altered(Tensor.detach),
    ("spikes_not_reached", "scale_dependent"): Altered(ByNumPy(), scale=1e4),
    ("batch_dependent",): Altered(lambda images: images - images.mean(0, keepdim=True)),
}


@pytest.mark.parametrize("raised", BUILT, ids="-".join)
def test_flags_are_raised_on_a_model_built_for_them(raised: tuple[str, ...]) -> None:
    side = 8 if "loss_still_rising" in raised else 4
    assert set(raised) <= flags(BUILT[raised], *grey(side))


@pytest.mark.parametrize("raised", BROKEN, ids="-".join)
def test_flags_are_raised_on_a_model_broken_in_that_way(raised: tuple[str, ...]) -> None:
    assert set(raised) <= flags(BROKEN[raised], *own(BROKEN[raised]), steps=1)


def test_gradients_that_differ_by_mode_are_found() -> None:
    assert "eval_train_gradients_differ" in flags(Spiking(Forgetful), *own(Spiking(Forgetful)), steps=1)


@pytest.mark.parametrize("spiking", [False, True])
def test_no_flag_on_an_honest_model(spiking: bool) -> None:
    """At a radius at which some fall and some stand, so that every check has something to compare."""
    model = trained() if spiking else Linear()
    entry = {"diagnostics": {"eps": 0.1 if spiking else 0.2, "samples": COUNT, "queries": 60}}
    (found,) = evaluate(model, *(held_out(COUNT) if spiking else own(model)), [entry])
    assert not found.flags
    assert 0.1 < found.details["attacks"]["union"] < 0.6


def test_every_other_flag_is_shown_here() -> None:
    """Undeclared draws stop an evaluation that swaps gradients: ``clean`` shows that flag, in another file."""
    shown = {flag for raised in (*BUILT, *BROKEN) for flag in raised}
    assert set(FLAGS) - shown == {"not_deterministic", "eval_train_gradients_differ"}
    assert set(FLAGS) <= set(EXPLAINED)
