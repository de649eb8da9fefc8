"""The kernels against SpikingJelly's own code: spikes, membranes and gradients, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import functional, neuron, surrogate
from torch import Tensor, nn

from robustbench_snn.kernels.compiling import state, using
from robustbench_snn.kernels.layer import _Layer
from robustbench_snn.model.fusing import fusing

SURROGATES = {"sigmoid": surrogate.Sigmoid, "atan": surrogate.ATan, "triangle": surrogate.PiecewiseQuadratic}


@dataclass(frozen=True)
class Case:
    """A layer, its calls, and what a loss makes of them."""

    kind: str = "lif"
    reset: float | None = 0.0
    decay_input: bool = True
    detach_reset: bool = True
    surrogate: str = "sigmoid"
    step_mode: str = "m"
    steps: int = 4
    shape: tuple[int, ...] = (3, 5)
    carried: bool = False
    calls: int = 1
    repeated: bool = False
    channels_last: bool = False

    def build(self) -> Any:
        common = {
            "v_threshold": 0.8,
            "v_reset": self.reset,
            "surrogate_function": SURROGATES[self.surrogate](alpha=2.7),
            "detach_reset": self.detach_reset,
            "step_mode": self.step_mode,
        }
        match self.kind:
            case "lif":
                return neuron.LIFNode(tau=2.3, decay_input=self.decay_input, **common)
            case "plif":
                return neuron.ParametricLIFNode(init_tau=2.3, decay_input=self.decay_input, **common)
            case _:
                return neuron.IFNode(**common)

    def currents(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        found = []
        for _ in range(self.calls):
            drive = torch.randn(1 if self.repeated else self.steps, *self.shape, generator=generator) * 2 + 0.5
            if self.channels_last:
                flat = drive.flatten(0, 1).contiguous(memory_format=torch.channels_last)
                drive = flat.unflatten(0, drive.shape[:2])
            found.append(drive)
        return found

    def run(self, *, fused: bool) -> dict[str, list[Tensor]]:
        """Everything that a caller may see of a forward and a backward pass."""
        layer = self.build()
        generator = torch.Generator().manual_seed(1)
        leaves = [drive.requires_grad_() for drive in self.currents()]
        inputs = [leaf.expand(self.steps, *self.shape) if self.repeated else leaf for leaf in leaves]
        start = torch.randn(self.shape, generator=generator).requires_grad_()
        if self.carried:
            layer.v = start
        with fusing(layer, fused):
            if self.step_mode == "m":
                spikes = [layer(drive) for drive in inputs]
            else:
                spikes = [torch.stack([layer(step) for step in drive]) for drive in inputs]
        assert fused == any(made_by(_Layer, value) for value in [*spikes, layer.v])
        weights = [torch.randn(value.shape, generator=generator) for value in spikes]
        loss = sum(((value * weight).sum() for value, weight in zip(spikes, weights, strict=True)), torch.zeros(()))
        if self.carried:
            loss = loss + (layer.v * torch.randn(self.shape, generator=generator)).sum()
        loss.backward()
        return {
            "spikes": [value.detach() for value in spikes],
            "membrane": [layer.v.detach()],
            "by currents": [leaf.grad for leaf in leaves if leaf.grad is not None],
            "by first membrane": [] if start.grad is None else [start.grad],
            "by rate": [p.grad for p in layer.parameters() if p.grad is not None],
        }


def made_by(function: Any, value: Tensor) -> bool:
    """Whether the history of a tensor holds a call of this Function."""
    stack, seen = [value.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name().startswith(function.__name__):
            return True
        stack += [other for other, _ in node.next_functions]
    return False


def assert_same(case: Case) -> None:
    own, fused = case.run(fused=False), case.run(fused=True)
    assert own["by currents"]
    assert {name: len(values) for name, values in own.items()} == {name: len(values) for name, values in fused.items()}
    for name, values in own.items():
        for one, other in zip(values, fused[name], strict=True):
            assert torch.equal(one, other), name
            assert name != "spikes" or one.stride() == other.stride()


@pytest.fixture(params=["auto", "off"], autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[None]:
    """Machine code, and the plain loops."""
    with using(request.param):
        yield
    assert request.param == "off" or state("cpu") == "compiled"


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("detach_reset", [True, False])
@pytest.mark.parametrize("reset", [0.0, None, 0.3, -0.25])
@pytest.mark.parametrize(
    ("kind", "decay_input"), [("lif", True), ("lif", False), ("plif", True), ("plif", False), ("if", True)]
)
@pytest.mark.parametrize("step_mode", ["m", "s"])
def test_every_layer(
    kind: str, decay_input: bool, reset: float | None, detach_reset: bool, surrogate: str, step_mode: str
) -> None:
    for carried in (False, True):
        for calls in (1, 2):
            assert_same(
                Case(kind, reset, decay_input, detach_reset, surrogate, step_mode, carried=carried, calls=calls)
            )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        Case,
        kind=st.sampled_from(["lif", "plif", "if"]),
        reset=st.sampled_from([0.0, None]) | st.floats(-0.5, 0.5, width=32),
        detach_reset=st.booleans(),
        surrogate=st.sampled_from(list(SURROGATES)),
        steps=st.integers(1, 8),
        shape=st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple),
        carried=st.booleans(),
        calls=st.integers(1, 3),
        repeated=st.booleans(),
    )
)
def test_any_shape_and_number_of_steps(case: Case) -> None:
    assert_same(case)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("carried", [False, True])
def test_channels_last_stays_so(steps: int, carried: bool) -> None:
    assert_same(Case(shape=(2, 3, 4, 5), channels_last=True, steps=steps, carried=carried))


def test_a_backward_pass_keeps_one_membrane_a_step() -> None:
    kept: dict[bool, int] = {}
    steps, neurons = 16, 1000
    for fused in (False, True):
        layer = Case().build()
        seen: dict[int, int] = {}

        def pack(tensor: Tensor, seen: dict[int, int] = seen) -> Tensor:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        current = torch.randn(steps, neurons, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), fusing(layer, fused):
            spikes = layer(current)
        kept[fused] = sum(seen.values())
        assert spikes.requires_grad
    assert kept[True] == 4 * steps * neurons
    assert kept[True] <= kept[False] / 2


def test_without_a_gradient_nothing_is_kept() -> None:
    layer = Case().build()
    kept: list[Tensor] = []
    with torch.no_grad(), fusing(layer), torch.autograd.graph.saved_tensors_hooks(kept.append, lambda value: value):
        spikes = layer(torch.randn(4, 6, requires_grad=True))
    assert not kept
    assert spikes.grad_fn is None


def test_what_comes_out_may_be_changed_in_place() -> None:
    layer, current = Case().build(), torch.randn(4, 3, 5, requires_grad=True)
    with fusing(layer):
        spikes = layer(current)
        spikes += 1.0
        spikes.sum().backward()
    assert current.grad is not None
    assert set(spikes.unique().tolist()) <= {1.0, 2.0}


def test_membranes_are_reset_and_detached_as_ever() -> None:
    layer = Case(detach_reset=False).build()
    with fusing(layer):
        first = layer(torch.full((2, 4), 1.0, requires_grad=True))
        functional.detach_net(layer)
        assert layer.v.grad_fn is None
        functional.reset_net(layer)
        assert layer.v == 0.0
        assert torch.equal(first, layer(torch.full((2, 4), 1.0)))


def others() -> dict[str, tuple[nn.Module, Tensor]]:
    """Layers and currents that are left to their own code."""

    class Sub(neuron.LIFNode):  # type: ignore[misc]
        pass

    class Own(surrogate.Sigmoid):  # type: ignore[misc]
        pass

    drive = torch.randn(3, 4, 2)
    return {
        "subclass": (Sub(step_mode="m"), drive),
        "surrogate of another's making": (neuron.LIFNode(step_mode="m", surrogate_function=Own()), drive),
        "graded": (neuron.LIFNode(step_mode="m", surrogate_function=surrogate.Sigmoid(spiking=False)), drive),
        "recorded membranes": (neuron.LIFNode(step_mode="m", store_v_seq=True), drive),
        "float64": (neuron.LIFNode(step_mode="m").double(), drive.double()),
        "bfloat16": (neuron.LIFNode(step_mode="m"), drive.bfloat16()),
    }


@pytest.mark.parametrize("name", others())
def test_other_layers_run_their_own_code(name: str) -> None:
    layer, drive = others()[name]
    own = layer(drive)
    functional.reset_net(layer)
    leaf = drive.clone().requires_grad_()
    with fusing(layer):
        spikes = layer(leaf)
    assert torch.equal(own, spikes)
    assert not made_by(_Layer, spikes)
