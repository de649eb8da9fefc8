"""When loops are compiled, and what happens where they cannot be."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.kernels import compiling
from robustbench_snn.kernels.compiling import Kernel, even, mode, state, using


def double(values: Tensor) -> tuple[Tensor, ...]:
    return (values * 2,)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has compiled nothing and knows no failure."""
    facts: dict[str, Any] = {"chosen": None, "elements": 0, "compiled": set(), "failure": None}
    for name, value in facts.items():
        monkeypatch.setattr(compiling._State, name, value)
    monkeypatch.delenv(compiling.VARIABLE, raising=False)


def stand_in(
    monkeypatch: pytest.MonkeyPatch, made: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda plain: plain
) -> list[Callable[..., Any]]:
    """Puts ``made`` in the place of torch's compiler; returns what is compiled."""
    seen: list[Callable[..., Any]] = []

    def compile(plain: Callable[..., Any], **settings: Any) -> Callable[..., Any]:  # noqa: A001
        seen.append(plain)
        return made(plain)

    monkeypatch.setattr(torch, "compile", compile)
    return seen


VALUES = torch.arange(2 * 64.0).reshape(2, 64)


def test_mode_is_chosen_then_the_variables_then_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mode() == "auto"
    monkeypatch.setenv("RBSNN_COMPILE", "off")
    assert mode() == "off"
    with using("on"):
        assert mode() == "on"
        with using(None):
            assert mode() == "on"
    assert mode() == "off"
    monkeypatch.setenv("RBSNN_COMPILE", "sometimes")
    with pytest.raises(UserError, match="RBSNN_COMPILE is 'sometimes'"), using(None):
        pass


def test_off_never_compiles_and_on_compiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, kernel = stand_in(monkeypatch), Kernel(double)
    with using("off"):
        kernel(VALUES, steps=2)
    assert (seen, state("cpu")) == ([], "plain")
    with using("on"):
        for _ in range(3):
            (found,) = kernel(VALUES, steps=2)
            assert torch.equal(found, VALUES * 2)
    assert (seen, state("cpu")) == ([double], "compiled")


def test_auto_compiles_once_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "FIRST", 6 * VALUES.numel())
    monkeypatch.setattr(compiling, "NEXT", 3 * VALUES.numel())
    seen, often, seldom = stand_in(monkeypatch), Kernel(double), Kernel(double)
    for _ in range(5):
        often(VALUES, steps=2)
    assert not seen
    seldom(VALUES, steps=2)
    assert not seen, "it has hardly run"
    often(VALUES, steps=2)
    assert len(seen) == 1


def test_what_is_not_for_kernels_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, kernel = stand_in(monkeypatch), Kernel(double)
    with using("on"):
        kernel(VALUES.double(), steps=2)
        kernel(VALUES[:, :63].contiguous(), steps=2)
        kernel(VALUES, steps=compiling.LONGEST + 1)
    assert not seen


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda plain: lambda values: (values * 2 + 1e-6,), "ArithmeticError"),
        (lambda plain: lambda values: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["other numbers", "no compiler"],
)
def test_where_compiling_fails_plain_loops_go_on(
    monkeypatch: pytest.MonkeyPatch, made: Callable[[Callable[..., Any]], Callable[..., Any]], reason: str
) -> None:
    seen, kernels = stand_in(monkeypatch, made), [Kernel(double), Kernel(double)]
    with using("on"):
        with pytest.warns(UserWarning, match="not compiled") as told:
            (found,) = kernels[0](VALUES, steps=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kernel in kernels:
                assert torch.equal(kernel(VALUES, steps=2)[0], VALUES * 2)
    assert torch.equal(found, VALUES * 2)
    assert len(told) == len(seen) == 1, "one warning, and no second try"
    assert state("cpu").startswith(f"plain ({reason}")


def test_not_a_number_is_the_same_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    with using("on"):
        Kernel(double)(VALUES * torch.nan, steps=2)
    assert state("cpu") == "compiled"


def test_every_threads_share_is_a_multiple_of_the_lanes() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert [even(count) for count in (64, 64 * 1025, 96, 0)] == [True, True, False, False]
        torch.set_num_threads(3)
        assert even(64), "too few for a second thread"
        assert not even(64 * 1025)
        assert even(64 * 1026)
    finally:
        torch.set_num_threads(before)
