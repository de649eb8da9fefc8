"""Each flag of the diagnostics, on a model built to raise it and on an honest one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from robustbench_snn import evaluate
from tests.attack_models import Linear

torch.set_num_threads(1)

COUNT = 48
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
        return torch.stack([margin, torch.zeros_like(margin)], 1)


class OneByOne(nn.Module):
    """A linear margin whose gradient shows one pixel at a time: the first that is not yet at the ball's edge."""

    def forward(self, images: Tensor) -> Tensor:
        offsets = images.flatten(1) - CENTRE
        waiting = offsets.detach() < EPS - 1e-4
        first = waiting & (waiting.cumsum(1) == 1)
        seen = torch.where(first, offsets, offsets.detach())
        margin = 5.0 - 100.0 * seen.mean(1)
        return torch.stack([margin, torch.zeros_like(margin)], 1)


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


def dipped(offsets: Tensor) -> Tensor:
    """The first pixel, but for a dip between 0.03 and 0.05."""
    return torch.where(between(0.03, 0.05)(offsets), -offsets[:, 0], offsets[:, 0])


def nudged(offsets: Tensor) -> Tensor:
    """Bits of the first pixel below one grey level."""
    levels = (offsets[:, 0] + CENTRE) * 255.0
    return (levels - levels.round()).abs() > 0.2


def grey() -> tuple[Tensor, Tensor]:
    """Images half way between black and white, all of class 0."""
    return torch.full((COUNT, 1, 4, 4), CENTRE), torch.zeros(COUNT, dtype=torch.int64)


def own(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Random images that the model gets right."""
    images = 0.25 + 0.5 * torch.rand(COUNT, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    return images, model(images).argmax(1).detach()


def flags(model: nn.Module, images: Tensor, labels: Tensor, steps: int = STEPS) -> set[str]:
    entry = {"diagnostics": {"eps": EPS, "samples": COUNT, "steps": steps, "queries": 60}}
    (found,) = evaluate(model, images, labels, [entry])
    assert found.metrics["passed"] == pytest.approx(1 - len(found.flags) / 14)
    return set(found.flags)


BUILT: dict[str, nn.Module] = {
    # steps of eps / 4 meet a window as wide at this eps, and jump over it at twice that
    "accuracy_rises_with_eps": Misled(between(0.08, 0.11), upwards),
    # a dip of the loss that long steps jump over and short ones slide back from
    "more_steps_help_defender": Misled(between(0.05, 1.0), dipped),
    # random draws fall into a window that the gradient leads away from
    "noise_beats_attack": Misled(between(-0.08, -0.04), upwards),
    "restarts_matter": Misled(between(-0.08, -0.04), upwards),
    "loss_still_rising": OneByOne(),
    # iterates pass through a window and end beyond it
    "last_iterate_gap": Misled(between(0.0, 0.05), upwards),
    "rounding_undoes_attack": Misled(nudged, upwards),
}


@pytest.mark.parametrize("flag", BUILT)
def test_flag_is_raised_on_a_model_built_for_it(flag: str) -> None:
    assert flag in flags(BUILT[flag], *grey())


def test_gradients_that_differ_by_mode_are_found() -> None:
    assert "eval_train_gradients_differ" in flags(Spiking(Forgetful), *own(Spiking(Forgetful)))
    assert "eval_train_gradients_differ" not in flags(Spiking(neuron.IFNode), *own(Spiking(neuron.IFNode)))


def test_no_flag_on_an_honest_linear_model() -> None:
    model = Linear()
    assert not flags(model, *own(model), steps=20)
