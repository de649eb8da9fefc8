"""Each broken estimator fails the check made for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.plugins import Estimator, SpikeEstimator, register_estimator
from robustbench_snn.testing import EstimatorConformance, check_estimator


class Sound(SpikeEstimator):
    def derivative(self, membrane: Tensor) -> Tensor:
        return (-membrane.abs()).exp()


class FiresLater(nn.Module):
    def forward(self, membrane: Tensor) -> Tensor:
        return (membrane >= 0.1).to(membrane) + membrane - membrane.detach()


class ChangesLogits(Sound):
    def surrogate(self, neuron: nn.Module) -> nn.Module:
        return FiresLater()


class NotANumber(Sound):
    def derivative(self, membrane: Tensor) -> Tensor:
        return (membrane - membrane) / (membrane - membrane)


class Flat(Sound):
    def derivative(self, membrane: Tensor) -> Tensor:
        return torch.zeros_like(membrane)


class Idle(Estimator):
    """The training surrogate under another name."""

    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()


class StaysIn(Sound):
    """Puts its surrogate in, and never the old one back."""

    def applied(self, neuron: nn.Module) -> AbstractContextManager[None]:
        neuron.surrogate_function = self.surrogate(neuron)
        return nullcontext()


class Random(Sound):
    def derivative(self, membrane: Tensor) -> Tensor:
        return torch.rand_like(membrane)


class ClaimsState(Sound):
    stateful: ClassVar[bool] = True


class HiddenState(Sound):
    """Wider at every use."""

    uses = 0

    def derivative(self, membrane: Tensor) -> Tensor:
        self.uses += 1
        return (-membrane.abs() / self.uses).exp()


class ByBatchMates(Sound):
    """As wide as the potentials of the whole batch spread."""

    def derivative(self, membrane: Tensor) -> Tensor:
        return (-membrane.abs() / membrane.std()).exp()


class Hoards(Sound):
    """Keeps every membrane that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def derivative(self, membrane: Tensor) -> Tensor:
        self.seen.append(membrane)
        return super().derivative(membrane)


BROKEN: list[tuple[type[Estimator], set[str]]] = [
    (ChangesLogits, {"same logits"}),
    (NotANumber, {"gradient"}),
    (Flat, {"gradient"}),
    (Idle, {"gradient"}),
    (StaysIn, {"restores the model"}),
    (Random, {"two uses agree"}),
    (ClaimsState, {"stateful trait"}),
    (HiddenState, {"stateful trait"}),
    (ByBatchMates, {"independent of batch mates"}),
    (Hoards, {"keeps nothing"}),
]


def failed(estimator: type[Estimator]) -> dict[str, str]:
    register_estimator("broken", version=1)(estimator)
    return {result.name: result.reason for result in check_estimator("broken") if not result.passed}


@pytest.mark.parametrize(("estimator", "checks"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_caught(estimator: type[Estimator], checks: set[str]) -> None:
    found = failed(estimator)
    assert checks <= set(found)
    assert all(found.values())


def test_a_sound_estimator_passes() -> None:
    assert not failed(Sound)


def test_every_check_is_shown_to_fail() -> None:
    checks = {name[5:].replace("_", " ") for name in dir(EstimatorConformance) if name.startswith("test_")}
    assert checks == set().union(*(names for _, names in BROKEN))
