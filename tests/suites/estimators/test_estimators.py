"""Every estimator: its formula, the untouched forward pass, and the way back."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.estimator.contract import SpikeEstimator, estimating, make
from robustbench_snn.estimator.surrogate import ReplacedSpike
from robustbench_snn.model.target import Target
from robustbench_snn.registry import estimators
from tests.attack_models import ConvLIF, Linear, held_out, trained

NAMES = estimators.names()
KINDS = [neuron.LIFNode, neuron.ParametricLIFNode, neuron.IFNode, neuron.SimpleIFNode]


def input_gradient(model: nn.Module, images: Tensor, labels: Tensor, spec: Any = "training") -> Tensor:
    target = Target(model)
    leaf = images.clone().requires_grad_()
    with estimating(target, spec) as estimator, estimator.rows(torch.arange(len(images)), frozen=False):
        loss = nn.functional.cross_entropy(target(leaf), labels, reduction="sum")
        return torch.autograd.grad(loss, leaf)[0]


@pytest.mark.parametrize(
    ("spec", "primitive"),
    [
        ({"atan": {"alpha": 5.0}}, lambda u: torch.atan(torch.pi / 2 * 5.0 * u) / torch.pi),
        ({"sigmoid": {"alpha": 4.0}}, lambda u: torch.sigmoid(4.0 * u)),
        ({"triangle": {"gamma": 0.5}}, lambda u: (u / 0.5 - u * u.abs() / 0.5).mul(0.5 / 0.5) * (u.abs() < 0.5)),
        ({"rectangle": {"width": 0.5}}, lambda u: u.clamp(-0.25, 0.25) / 0.5),
        ("ste", lambda u: u),
        ({"exp": {"gamma": 2.0}}, lambda u: u.sign() * (1 - torch.exp(-2.0 * u.abs())) / 2.0),
        ({"exp_d": {"gamma": 0.5}}, lambda u: 0.3 * u.sign() * (1 - torch.exp(-0.5 * u.abs())) / 0.5),
    ],
)
def test_derivatives_are_those_of_their_primitives(spec: object, primitive: object) -> None:
    u = torch.linspace(-2.0, 2.0, 401, dtype=torch.float64) + 1e-4
    leaf = u.clone().requires_grad_()
    if isinstance(spec, dict) and "triangle" in spec:  # integral of (g - |u|) / g^2
        value = (0.5 * leaf - leaf * leaf.abs() / 2) / 0.25 * (leaf.abs() < 0.5)
    else:
        value = primitive(leaf)  # type: ignore[operator]
    (expected,) = torch.autograd.grad(value.sum(), leaf)
    torch.testing.assert_close(make(spec).derivative(u), expected)  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize("spec", [{"atan": {"alpha": 7.0}}, {"triangle": {"gamma": 2.0}}, {"sigmoid": {"alpha": 3.0}}])
def test_fused_surrogates_have_the_same_slope(spec: dict[str, dict[str, float]]) -> None:
    estimator = make(spec)
    assert isinstance(estimator, SpikeEstimator)
    u = torch.linspace(-1.5, 1.5, 200).requires_grad_()
    (fused,) = torch.autograd.grad(estimator.surrogate(nn.Module())(u).sum(), u)
    torch.testing.assert_close(fused, estimator.derivative(u.detach()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("mode", ["m", "s"])
def test_logits_stay_bit_identical_and_gradients_do_not(name: str, kind: type[nn.Module], mode: str) -> None:
    torch.manual_seed(1)
    model = ConvLIF(mode, kind=kind).eval()
    images, labels = held_out(8)
    target = Target(model)
    before = target(images)
    own = input_gradient(model, images, labels)
    with estimating(target, name, probe=images), torch.no_grad():
        assert torch.equal(target(images), before)
    other = input_gradient(model, images, labels, name)
    assert other.isfinite().all()
    if name not in ("sigmoid", "training"):  # the model was trained with these
        assert not torch.allclose(own, other)
    assert torch.equal(input_gradient(model, images, labels), own), "the training surrogate came back"


@pytest.mark.parametrize("name", NAMES)
def test_restored_on_error(name: str) -> None:
    model = trained()
    before = [(n.surrogate_function, n.forward, n.reset) for n in (model.spike1, model.spike2)]
    with pytest.raises(ZeroDivisionError), estimating(Target(model), name):
        raise ZeroDivisionError
    assert [(n.surrogate_function, n.forward, n.reset) for n in (model.spike1, model.spike2)] == before
    assert not any("forward" in vars(n) or "reset" in vars(n) for n in (model.spike1, model.spike2))


@pytest.mark.parametrize("spec", ["bptr", "rga", {"atan": {"alpha": 3.0}}, "pdsg", "assg"])
def test_step_modes_agree(spec: object) -> None:
    images, labels = held_out(8)
    many, single = (input_gradient(trained(mode), images, labels, spec) for mode in "ms")
    torch.testing.assert_close(many, single, rtol=1e-4, atol=1e-7)


def lif_layer() -> tuple[Any, Tensor, Tensor]:
    torch.manual_seed(0)
    layer = neuron.LIFNode(2.0, decay_input=True, detach_reset=True, step_mode="m", surrogate_function=surrogate.ATan())
    return layer, torch.randn(4, 3, 5) + 1.0, torch.randn(4, 3, 5)


def layer_gradient(layer: Any, current: Tensor, weights: Tensor, spec: Any) -> tuple[Tensor, Tensor]:
    leaf = current.clone().requires_grad_()
    with estimating(Target(layer), spec):
        layer.reset()
        spikes = layer(leaf)
        return spikes.detach(), torch.autograd.grad((spikes * weights).sum(), leaf)[0]


def test_hart_is_the_time_average_of_detached_steps() -> None:
    layer, current, weights = lif_layer()
    spikes, found = layer_gradient(layer, current, weights, {"hart": {"surrogate": "triangle", "gamma": 1.0}})
    membrane, local = torch.zeros(3, 5), []
    for t in range(4):
        membrane = membrane + (current[t] - membrane) / 2.0
        u = membrane - 1.0
        local.append(weights[t] * (1.0 - u.abs()).clamp_min(0.0) / 2.0)
        membrane = membrane * (1.0 - spikes[t])
    torch.testing.assert_close(found, torch.stack(local).mean(0).expand(4, 3, 5))


def test_hart_step_by_step_averages_what_is_known() -> None:
    layer, current, weights = lif_layer()
    layer.step_mode = "s"
    leaf = current.clone().requires_grad_()
    with estimating(Target(layer), "hart"):
        layer.reset()
        spikes = torch.stack([layer(x) for x in leaf])
        (found,) = torch.autograd.grad((spikes * weights).sum(), leaf)
    layer.step_mode = "m"
    whole = layer_gradient(layer, current, weights, "hart")[1]
    torch.testing.assert_close(found[0], whole[0])
    assert not torch.allclose(found[3], whole[3])


def test_bptr_passes_where_a_neuron_fired() -> None:
    layer, current, weights = lif_layer()
    spikes, found = layer_gradient(layer, current, weights, "bptr")
    assert torch.equal(found, weights * (spikes.mean(0) > 0))


def test_rga_slope_in_units_of_the_undecayed_membrane() -> None:
    layer, current, weights = lif_layer()
    _, found = layer_gradient(layer, current, weights, "rga")
    x = current.mean(0) / 2.0  # tau = 2 with decayed input: v <- v / 2 + x / 2
    slope = ((x >= 0.5) & (x <= 2.0)) * (1 - 0.2 + 0.2 * 0.5) / 1.5 + ((x >= 0) & (x <= 0.5)) * 0.2
    torch.testing.assert_close(found, weights * slope / 2.0)


def test_pdsg_widens_with_the_spread_so_far() -> None:
    layer, current, weights = lif_layer()
    layer.detach_reset = True
    spikes, found = layer_gradient(layer, current, weights, "pdsg")
    membrane, seen, slopes = torch.zeros(3, 5), [], []
    for t in range(4):
        membrane = membrane + (current[t] - membrane) / 2.0
        seen.append(membrane)
        sigma = torch.cat(seen, 1).std(1, unbiased=False, keepdim=True)
        u = membrane - 1.0
        slopes.append(torch.distributions.Normal(sigma / 2, sigma).log_prob(u).exp())
        membrane = membrane * (1.0 - spikes[t])
    expected, carry = torch.zeros(4, 3, 5), torch.zeros(3, 5)
    for t in reversed(range(4)):
        carry = weights[t] * slopes[t] + carry * (1.0 - spikes[t])
        expected[t] = carry / 2.0
        carry = carry / 2.0
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("shape", "over"),
    [((3, 5, 4, 4), (2, 3)), ((3, 6, 5), (1,)), ((3, 5), (1,)), ((3, 5, 1, 1), (1, 2, 3)), ((3, 1, 5), (1, 2))],
    ids=["maps", "tokens", "features", "one place", "one token"],
)
def test_pdsg_has_a_spread_for_every_channel_of_every_sample(shape: tuple[int, ...], over: tuple[int, ...]) -> None:
    """Channels of maps are dimension 1, those of tokens the last; with one place each, all neurons are one channel."""
    estimator = make("pdsg")
    assert isinstance(estimator, SpikeEstimator)
    spike: Any = estimator.surrogate(nn.Module())
    generator, seen = torch.Generator().manual_seed(0), []
    sizes = 1.0 + 0.3 * torch.arange(3 * 5.0).reshape(3, 5)  # of a spread that differs by sample and channel
    wide = sizes[:, None] if len(shape) == 3 else sizes.reshape(3, 5, *[1] * (len(shape) - 2))
    for _ in range(3):
        u = wide * torch.randn(shape, generator=generator) - 0.3
        seen.append(u)
        leaf = u.clone().requires_grad_()
        (slope,) = torch.autograd.grad(spike(leaf).sum(), leaf)
        steps = torch.stack(seen)
        sigma = steps.std([0, *(axis + 1 for axis in over)], unbiased=False, keepdim=True)[0]
        expected = torch.distributions.Normal(sigma / 2, sigma).log_prob(u).exp()
        torch.testing.assert_close(slope, expected)


def test_assg_follows_its_moving_averages_by_sample() -> None:
    estimator = make({"assg": {"level": 0.45}})
    assert isinstance(estimator, SpikeEstimator)
    spike: Any = estimator.surrogate(nn.Module())
    mean, deviation = torch.ones(3, 4), torch.zeros(3, 4)
    rows = torch.arange(3)
    for iteration in range(3):
        u = torch.randn(8, 4, generator=torch.Generator().manual_seed(iteration))  # 8: padded to a full batch
        if iteration == 2:  # sample 1 was fooled and left
            rows = torch.tensor([0, 2])
        for frozen in (False, True):  # the second pass is another EOT draw
            leaf = u.clone().requires_grad_()
            spike.reset()
            with estimator.rows(rows, frozen=frozen):
                slope = torch.autograd.grad(spike(leaf).sum(), leaf)[0]
            if not frozen:
                distance = u[: len(rows)].abs()
                mean[rows] = 0.9 * mean[rows] + 0.1 * distance
                deviation[rows] = 0.9 * deviation[rows] + 0.1 * (distance - mean[rows]).abs()
            peak = 2 * torch.tan(torch.tensor(torch.pi * 0.45)) / torch.pi
            alpha = peak / (mean[rows] + 1.5 * deviation[rows] + 1e-4)
            expected = alpha / 2 / (1 + (torch.pi / 2 * alpha * u[: len(rows)]) ** 2)
            torch.testing.assert_close(slope[: len(rows)], expected, rtol=1e-4, atol=1e-6)


def test_an_estimator_that_would_change_logits_is_refused() -> None:
    class Twice(SpikeEstimator):
        def derivative(self, membrane: Tensor) -> Tensor:
            return torch.ones_like(membrane)

        def surrogate(self, neuron: nn.Module) -> nn.Module:
            class Low(ReplacedSpike):
                def forward(self, membrane: Tensor) -> Tensor:
                    return super().forward(membrane + 0.5)

            return Low(self.derivative)

    model = trained()
    own = model.spike1.surrogate_function
    with pytest.raises(UserError, match="changes the logits"), estimating(Target(model), Twice(), held_out(8)[0]):
        pass
    assert model.spike1.surrogate_function is own


def test_threads_do_not_see_each_others_estimators() -> None:
    model = trained()
    images, labels = held_out(8)
    specs = ["training", "hart", {"atan": {"alpha": 10.0}}, "assg"]
    alone = [input_gradient(model, images, labels, spec) for spec in specs]
    found: dict[int, list[Tensor]] = {index: [] for index in range(len(specs))}

    def attack(index: int) -> None:
        found[index] = [input_gradient(model, images, labels, specs[index]) for _ in range(5)]

    threads = [threading.Thread(target=attack, args=(index,)) for index in range(len(specs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, gradients in found.items():
        assert len(gradients) == 5
        assert all(torch.equal(gradient, alone[index]) for gradient in gradients)


def test_a_model_without_neurons_is_left_alone() -> None:
    target = Target(Linear())
    with estimating(target, "assg", torch.rand(4, 1, 4, 4)):
        assert target(torch.rand(4, 1, 4, 4)).shape == (4, 3)


@pytest.mark.parametrize(
    "spec", ["attan", {"atan": {"alhpa": 1.0}}, {"atan": {"alpha": -1.0}}, {"atan": {}, "ste": {}}]
)
def test_wrong_estimators_are_explained(spec: object) -> None:
    with pytest.raises(UserError):
        make(spec)  # type: ignore[arg-type]
