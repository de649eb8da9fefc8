"""When loops are compiled, and what happens where they cannot be."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.kernels import compiling, native
from robustbench_snn.kernels.compiling import Kernel, mode, state, using
from robustbench_snn.kernels.dynamics import Dynamics
from robustbench_snn.kernels.slopes import ATAN, SIGMOID, TRIANGLE, BuiltIn, by_formula, has_formula
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import NeuronConfig

LIF = Dynamics("lif", 2.0, True, 1.0, 0.0, True)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has compiled nothing and knows no failure."""
    facts: dict[str, Any] = {"chosen": None, "compiled": set(), "failure": None}
    for name, value in facts.items():
        monkeypatch.setattr(compiling._State, name, value)
    monkeypatch.delenv(compiling.VARIABLE, raising=False)
    native._ready.cache_clear()


def test_mode_is_chosen_then_the_variables_then_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mode() == "auto"
    monkeypatch.setenv("RBSNN_COMPILE", "off")
    assert mode() == "off"
    with using("auto"):
        assert mode() == "auto"
        with using(None):
            assert mode() == "auto"
    assert mode() == "off"
    monkeypatch.setenv("RBSNN_COMPILE", "sometimes")
    with pytest.raises(UserError, match="RBSNN_COMPILE is 'sometimes'"), using(None):
        pass


def test_a_cpu_runs_machine_code_unless_told_not_to() -> None:
    values = torch.zeros(2, 64)
    with using("off"):
        assert not native.runs(values)
    assert state("cpu") == "plain"
    assert native.runs(values)
    assert state("cpu") == "compiled"
    with using("off"):
        assert state("cpu") == "plain"
    assert not native.runs(values.double())


@pytest.mark.parametrize("failure", ["other numbers", "no numba"])
def test_where_compiling_fails_plain_loops_go_on(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*constants: Any) -> Any:
        if failure == "no numba":
            raise ImportError("no module named numba")
        return lambda *arguments: None  # leaves what it shall fill as it is

    layer, current = NeuronConfig().build(), torch.rand(4, 3, 5, requires_grad=True)
    expected = layer(current)
    for name in ("_forward_loop", "_backward_loop"):
        monkeypatch.setattr(native, name, broken)
    layer.reset()  # type: ignore[operator]
    with fusing(layer), pytest.warns(UserWarning, match="not compiled") as told:
        first = layer(current)
    assert torch.equal(first, expected)
    with warnings.catch_warnings(), fusing(layer):
        warnings.simplefilter("error")
        layer.reset()  # type: ignore[operator]
        spikes = layer(current)
        spikes.sum().backward()
    assert torch.equal(spikes, expected)
    assert current.grad is not None
    assert len(told) == 1, "one warning, and no second try"
    assert state("cpu").startswith("plain (")


def random(*shape: int, seed: int = 0) -> Tensor:
    return 2.0 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("neurons", [1, 63, 64, 20_000, 65_536])
@pytest.mark.parametrize("own", [True, False], ids=["a formula in the loop", "slopes of torch"])
def test_the_share_of_a_thread_changes_no_bit(threads: int, neurons: int, own: bool) -> None:
    currents, gradient = random(4, neurons), random(4, neurons, seed=1)
    slope: Any = BuiltIn(ATAN, 2.0) if own else lambda u: 1.0 / (1.0 + u.square())
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            spikes, last, charges = native.forward(LIF, currents, torch.zeros(()), None, 4)
            slopes = native.backward(LIF, gradient, last, charges, None, slope, rated=True)
            found.append((spikes, last, charges, *slopes))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("number", [SIGMOID, ATAN, TRIANGLE])
@pytest.mark.parametrize("alpha", [0.5, 2.0, 4.0, 1e6])
def test_slopes_have_the_bits_of_torch(number: int, alpha: float) -> None:
    if not has_formula(number):
        pytest.skip("torch rounds otherwise on this machine, and its own slopes are taken")
    values = torch.cat([random(2**14), torch.tensor([0.0, -0.0, 1e-30, 30.0, -30.0, 3e38, -3e38] + [0.0] * 57)])
    surrogate = BuiltIn(number, alpha)
    assert torch.equal(by_formula(surrogate, values), surrogate(values))


def test_other_surrogates_have_no_formula() -> None:
    assert [number for number in range(7) if has_formula(number)] == [SIGMOID, ATAN, TRIANGLE]


class Meta:
    """What stands for torch's compiler."""

    def __init__(self, made: Any) -> None:
        self.made, self.seen = made, 0

    def __call__(self, plain: Any, **settings: Any) -> Any:
        self.seen += 1
        return self.made(plain)


def double(values: Tensor) -> tuple[Tensor, ...]:
    return (values * 2,)


def elsewhere(monkeypatch: pytest.MonkeyPatch, made: Any) -> Meta:
    """A compiler, and kernels that take this machine's CPU for another device."""
    compiler = Meta(made)
    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr(compiling, "ON_CPU", "none")
    return compiler


VALUES = torch.arange(2 * 64.0).reshape(2, 64)


def test_a_gpu_compiles_at_the_first_call_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, kernel = elsewhere(monkeypatch, lambda plain: plain), Kernel(double)
    with using("off"):
        kernel(VALUES, steps=2)
    kernel(VALUES, steps=compiling.LONGEST + 1)
    assert compiler.seen == 0
    for _ in range(3):
        assert torch.equal(kernel(VALUES * torch.nan, steps=2)[0].isnan(), torch.ones_like(VALUES, dtype=torch.bool))
    assert compiler.seen == 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda plain: lambda values: (values * 2 + 1e-6,), "ArithmeticError"),
        (lambda plain: lambda values: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["other numbers", "no compiler"],
)
def test_a_gpu_without_a_compiler_runs_plain_loops(monkeypatch: pytest.MonkeyPatch, made: Any, reason: str) -> None:
    compiler, kernels = elsewhere(monkeypatch, made), [Kernel(double), Kernel(double)]
    with pytest.warns(UserWarning, match="not compiled"):
        assert torch.equal(kernels[0](VALUES, steps=2)[0], VALUES * 2)
    for kernel in kernels:
        assert torch.equal(kernel(VALUES, steps=2)[0], VALUES * 2)
    assert compiler.seen == 1
    assert state("cpu").startswith(f"plain ({reason}")
