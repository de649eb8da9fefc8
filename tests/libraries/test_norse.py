"""Networks of norse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from tests.libraries.checks import FAST, PGD, STEPS, Case, check_numbers, check_spikes, digits, library

norse = library("norse.torch")


class Explicit(nn.Module):
    """Cells, each called with its state (the MNIST tutorial)."""

    def __init__(self, method: str) -> None:
        super().__init__()
        p = norse.LIFParameters(v_th=torch.tensor(0.05), method=method)
        self.conv1, self.lif1 = nn.Conv2d(1, 6, 3, padding=1), norse.LIFCell(p=p)
        self.fc, self.out = nn.Linear(6 * 16, 10, bias=False), norse.LILinearCell(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        s1 = so = None
        voltages = []
        for _ in range(STEPS):
            z, s1 = self.lif1(nn.functional.max_pool2d(self.conv1(x), 2), s1)
            v, so = self.out(self.fc(z.flatten(1)).relu(), so)
            voltages.append(v)
        return torch.stack(voltages).mean(0)


class Sequential(nn.Module):
    """``SequentialState`` step by step; its state is thrown away after every batch, or kept."""

    def __init__(self, cell: Any, p: Any, *, keeps: bool = False) -> None:
        super().__init__()
        self.net = norse.SequentialState(
            nn.Conv2d(1, 6, 3, padding=1), nn.MaxPool2d(2), cell(p=p), nn.Flatten(),
            nn.Linear(96, 24), cell(p=p), nn.Linear(24, 10), norse.LICell(),
        )  # fmt: skip
        self.keeps, self.state = keeps, None

    def forward(self, x: Tensor) -> Tensor:
        state, voltages = self.state, []
        for _ in range(STEPS):
            v, state = self.net(x, state)
            voltages.append(v)
        if self.keeps:
            self.state = state
        return torch.stack(voltages).mean(0)


class Recurrent(nn.Module):
    """Layers that run over all steps at once, ``LIFRecurrent`` among them."""

    def __init__(self) -> None:
        super().__init__()
        p = norse.LIFParameters(v_th=torch.tensor(0.1))
        self.net = norse.SequentialState(
            norse.Lift(nn.Conv2d(1, 6, 3, padding=1)), norse.Lift(nn.MaxPool2d(2)), nn.Flatten(2),
            norse.LIFRecurrent(96, 24, p=p), norse.Lift(nn.Linear(24, 10)), norse.LI(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        voltages, _ = self.net(x.expand(STEPS, *x.shape))
        mean: Tensor = voltages.mean(0)
        return mean


def lif(method: str = "super") -> Any:
    return norse.LIFParameters(v_th=torch.tensor(0.05), method=method)


def forget(model: nn.Module) -> None:
    model.state = None  # type: ignore[assignment]


KEPT = Case(lambda: Sequential(norse.LIFCell, lif(), keeps=True), 2 * STEPS, arguments={"reset": forget}, start=forget)
CASES = {
    "LIFCell, state handed on": Case(lambda: Explicit("super"), STEPS),
    "LIFCell, triangle": Case(lambda: Explicit("triangle"), STEPS),
    "SequentialState of LIFCell": Case(lambda: Sequential(norse.LIFCell, lif()), 2 * STEPS),
    "SequentialState of LIFBoxCell": Case(
        lambda: Sequential(norse.LIFBoxCell, norse.LIFBoxParameters(v_th=torch.tensor(0.05))), 2 * STEPS
    ),
    "SequentialState, state kept": KEPT,
    "LIFRecurrent": Case(Recurrent, STEPS),
}


@pytest.mark.parametrize("name", CASES)
def test_spikes_are_found_and_numbers_repeat(name: str) -> None:
    check_spikes(CASES[name])
    clean, attacked = check_numbers(CASES[name], "clean", PGD)
    assert attacked < clean


def test_the_attack_set_is_at_least_as_strong_as_pgd() -> None:
    attacked, fast = check_numbers(CASES["LIFRecurrent"], PGD, FAST, count=4)
    assert fast <= attacked


def test_a_kept_state_of_another_batch_asks_for_a_reset() -> None:
    images, labels = digits()
    model = KEPT.build()
    model(images[:13])
    with pytest.raises(UserError, match="reset="):
        evaluate(model, images, labels)
