"""Faults of neurons: two of them computed by hand, others against SpikingJelly's layers of one neuron each."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.fault.injection import find_sites, injected
from robustbench_snn.fault.kinds import NEURONS, Fault, FaultName, LayerKind
from robustbench_snn.fault.survey import survey
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.testing.subject import small_target, untouched

IMAGES = torch.tensor([[0.6, 0.3], [1.0, 0.3]]).reshape(2, 1, 1, 2)
"""For IF neurons of threshold 1: spikes at steps 2 and 4, at every step, and at step 4."""
STEPS = 4


class Two(nn.Module):
    """Two IF neurons, one a pixel; the logits are their rates."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode, self.drive = mode, nn.Linear(2, 2, bias=False)
        self.drive.weight = nn.Parameter(torch.eye(2))
        self.fire = neuron.IFNode(step_mode=mode)

    def forward(self, images: Tensor) -> Tensor:
        current: Tensor = self.drive(images.flatten(1))
        if self.mode == "m":
            return self.fire(current.expand(STEPS, *current.shape)).mean(0)  # type: ignore[no-any-return]
        return torch.stack([self.fire(current) for _ in range(STEPS)]).mean(0)


def streams(images: Tensor) -> SampleRandom:
    return SampleRandom.for_samples(0, sample_ids=range(len(images)))


def under(target: Target, fault: Fault, images: Tensor) -> Tensor:
    """The logits of a model under a fault."""
    random = streams(images)
    with target.frozen(), torch.no_grad():
        sites = find_sites(target, fault.kind, fault.layers, survey(target, images, random), images, random)
        with injected(target, sites, fault) as injection:
            injection.begin()
            return target(images, random)


def hitting(kind: FaultName, hits: list[bool]) -> Fault:
    """A draw that hits just these neurons of :class:`Two`."""
    draws = (Fault(kind, 0.5, draw=draw) for draw in range(100))
    return next(fault for fault in draws if fault.hits("fire (2,)", (2,)).tolist() == hits)


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dead", [[0.0, 0.25], [0.0, 0.25]]),
        ("saturated", [[1.0, 0.25], [1.0, 0.25]]),
        ("stuck", [[0.0, 0.25], [1.0, 0.25]]),  # the first step of 0.6 is silent, that of 1.0 is not
    ],
)
def test_two_neurons_by_hand(mode: str, kind: FaultName, expected: list[list[float]]) -> None:
    target = Target(Two(mode))
    with target.frozen():
        assert target(IMAGES).tolist() == [[0.5, 0.25], [1.0, 0.25]]
    assert under(target, hitting(kind, [True, False]), IMAGES).tolist() == expected
    with target.frozen():
        assert target(IMAGES).tolist() == [[0.5, 0.25], [1.0, 0.25]]


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_random_neuron_fires_alike_for_all_samples_and_in_both_step_modes(mode: str) -> None:
    fault = hitting("random", [True, False])
    found = under(Target(Two(mode)), fault, IMAGES)
    train = [fault.random("fire (2,)").fold("step", step).uniform(2)[0, 0] < 0.5 for step in range(STEPS)]
    assert found.tolist() == [[float(np.mean(train)), 0.25]] * 2


def test_saturated_neurons_have_rate_one() -> None:
    target, layers = small_target(), dict[str, Tensor]()
    model: Any = target.model
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with target.frozen(), torch.no_grad():
        found = survey(target, images, streams(images))
        sites = find_sites(target, "saturated", "backbone", found, images, streams(images))
        with injected(target, sites, Fault("saturated", 1.0, "backbone")) as injection:
            hook = model.backbone.neuron.register_forward_hook(lambda _, __, spikes: layers.update(spikes=spikes))
            target(images)
            hook.remove()
            assert injection.hits == sites.count == 8 * 4 * 4
    assert bool((layers["spikes"] == 1).all())


NODES = {
    "lif": lambda **more: neuron.LIFNode(tau=2.5, **more),
    "lif, input not decayed": lambda **more: neuron.LIFNode(tau=2.5, decay_input=False, **more),
    "plif": lambda **more: neuron.ParametricLIFNode(init_tau=2.5, **more),
    "if": lambda **more: neuron.IFNode(**more),
    "simple lif": lambda **more: neuron.SimpleLIFNode(tau=2.5, decay_input=True, **more),
}


CASES = [(name, kind, reset) for name in NODES for kind in ("threshold", "leak") for reset in (0.0, 0.1, None)]
CASES = [case for case in CASES if case[:2] != ("if", "leak") and case[::2] != ("simple lif", None)]  # they have none


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize(("name", "kind", "reset"), CASES)
def test_mismatch_is_a_layer_of_neurons_with_constants_of_their_own(
    name: str, kind: FaultName, reset: float | None, mode: str
) -> None:
    size, steps = 12, 6
    fault = Fault(kind, 0.2)
    node = NODES[name](v_reset=reset, step_mode=mode, surrogate_function=surrogate.ATan())
    net = nn.Sequential(nn.Flatten(2 if mode == "m" else 1), node)
    images = 1.5 * torch.rand(5, 1, 1, size, generator=torch.Generator().manual_seed(0)).clamp(max=0.66)
    found = under(Target(net, timesteps=steps), fault, images)
    factors = 1 + fault.rate * fault.random(f"1 ({size},)").normal(size)[0]
    assert 0.4 < float(factors.min()) < 0.95 < 1.05 < float(factors.max())
    for place, factor in enumerate(factors.tolist()):
        one = NODES[name](v_reset=reset, step_mode="m")
        if kind == "threshold":
            one.v_threshold = factor * one.v_threshold
        elif name == "plif":
            one.w.data = torch.tensor(-math.log(2.5 * factor - 1.0))
        else:
            one.tau = 2.5 * factor
        with torch.no_grad():
            alone = one(images[:, 0, 0, place].expand(steps, len(images)).contiguous()).mean(0)
        torch.testing.assert_close(found[:, place], alone)


def test_the_smallest_factor_keeps_time_constants_above_one() -> None:
    net = nn.Sequential(nn.Flatten(), neuron.LIFNode(tau=1.2, step_mode="s"))
    found = under(Target(net, timesteps=1), Fault("leak", 1.0), torch.full((3, 1, 20, 20), 0.999))
    assert not found.any()  # H = X / tau of the first step reaches the threshold of 1 for a tau below 1 only


@pytest.mark.parametrize("kind", NEURONS)
def test_rate_nil_is_the_model_itself_and_an_error_leaves_no_trace(kind: FaultName) -> None:
    target = small_target(encoder="imp")
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with target.frozen(), torch.no_grad():
        clean = target(images)
        found = survey(target, images, streams(images))
        sites = find_sites(target, kind, "all", found, images, streams(images))
        with injected(target, sites, Fault(kind, 0.0)) as injection:
            assert torch.equal(target(images), clean)
            assert injection.hits == 0
        with untouched(target), suppress(ZeroDivisionError), injected(target, sites, Fault(kind, 0.9)):
            broken = target(images)
            raise ZeroDivisionError
        assert not torch.equal(broken, clean)
        assert torch.equal(target(images), clean)


@pytest.mark.parametrize("encoder", ["imp", "el", "rate"])
def test_a_mismatch_that_is_next_to_nothing_is_next_to_none(encoder: str) -> None:
    target = small_target(encoder=encoder)
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with target.frozen(), torch.no_grad():
        clean = target(images, streams(images))
    for kind in ("threshold", "leak"):
        torch.testing.assert_close(under(target, Fault(kind, 1e-9), images), clean)


class Handmade(nn.Module):
    """Spikes of nobody's library: one step a call, all steps at once, steps behind the samples, or graded."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def forward(self, drive: Tensor) -> Tensor:
        return (drive > 0.5).float() * (2.0 if self.form == "graded" else 1.0)


class Net(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.drive, self.fire, self.form = nn.Conv2d(1, 2, 1, bias=False), Handmade(form), form
        nn.init.ones_(self.drive.weight)

    def forward(self, images: Tensor) -> Tensor:
        current = self.drive(images)
        if self.form == "steps first":
            return self.fire(current.expand(3, *current.shape)).mean(0).flatten(1)  # type: ignore[no-any-return]
        if self.form == "steps last":
            return self.fire(current[:, None].expand(-1, 3, -1, -1, -1)).mean(1).flatten(1)  # type: ignore[no-any-return]
        return torch.stack([self.fire(current) for _ in range(3)]).mean(0).flatten(1)


@pytest.mark.parametrize("form", ["a step a call", "steps first", "steps last", "graded"])
def test_neurons_of_any_making_are_found_where_they_can_be_told_from_steps(form: str) -> None:
    target = Target(Net(form))
    images = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with target.frozen():
        found = survey(target, images, streams(images))
    if form in ("steps last", "graded"):
        assert (found.layers, found.beyond) == ((), ("fire",))
        with pytest.raises(UserError, match="fire cannot be reached"):
            under(target, Fault("dead", 0.5), images)
        return
    (layer,) = found.layers
    assert (layer.name, layer.by_steps, layer.driver) == ("fire", form == "steps first", "conv")
    assert layer.positions == (torch.Size([2, 4, 4]),)
    assert not under(target, Fault("dead", 1.0), images).any()
    with pytest.raises(UserError, match="fire cannot be reached"):
        under(target, Fault("threshold", 0.1), images)


def spikformer(name: str = "spikformer") -> Target:
    from robustbench_snn.model.calibration import calibrate
    from robustbench_snn.model.classifier import Classifier
    from robustbench_snn.testing.models import make_task, sample_images

    task = make_task(channels=1, timesteps=2)
    torch.manual_seed(0)
    body = backbones.create(name, task, depth=1, width=128, heads=4, pooling="0011")
    model = Classifier(encoders.create("direct", body.stem), body, 2)
    return Target(calibrate(model, lambda whole: whole(sample_images(task, 8))))


def test_neurons_by_layer_kind() -> None:
    target, images = spikformer(), torch.rand(8, 1, 8, 8)

    def names(kind: LayerKind) -> set[str]:
        sites = find_sites(target, "dead", kind, found, images, streams(images))
        return {layer.name for layer in sites.neurons}

    with target.frozen():
        found = survey(target, images, streams(images))
        assert names("encoder") == {"encoder.neuron"}
        assert names("encoder") | names("backbone") == names("all") == {layer.name for layer in found.layers}
        assert names("conv") | names("linear") == names("all")
        assert not names("conv") & names("linear")
        assert {name.split(".")[-2] for name in names("mlp")} == {"expand", "contract"}
        assert names("mlp") | names("attention") == names("linear")
        for kind, reason in (("head", "stands there"), ("norm", "stands there")):
            with pytest.raises(UserError, match=reason):
                names(kind)  # type: ignore[arg-type]


def test_a_model_without_such_sites_is_refused() -> None:
    images = torch.rand(8, 1, 8, 8)
    with pytest.raises(UserError, match="which has no spiking neurons; leave the faults of neurons out"):
        under(spikformer("spikformer_ann"), Fault("dead", 0.1), images)
    with pytest.raises(UserError, match="whose neurons have no leak"):
        under(Target(Two("s")), Fault("leak", 0.1), IMAGES)
    with pytest.raises(UserError, match="no convolution or linear layer was found there"):
        under(Target(Two("s")), Fault("int8", layers="encoder"), IMAGES)
