"""Direct coding and its variants against loops of their formulas, and their published parameter counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.task import Task
from robustbench_snn.registry import encoders
from tests.encoders.handwritten import LIF, conv_bn, frames, input_gradient, make, parameters_beyond_direct, run

IMAGES = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def lif_loop(drive: Callable[[int], Tensor], timesteps: int, v: float | Tensor = 0.0) -> Tensor:
    lif = LIF(v)
    return torch.stack([lif(drive(t)) for t in range(timesteps)])


def normalized(images: Tensor) -> Tensor:
    return (images - 0.4) / 0.3


@pytest.mark.parametrize("pool", [False, True])
def test_direct_equals_a_loop_of_t_passes(pool: bool) -> None:
    encoder = make("direct", pool=pool)

    def by_hand(images: Tensor) -> Tensor:
        return lif_loop(lambda t: conv_bn(normalized(images), encoder.drive), 4)

    assert torch.equal(run(encoder, IMAGES, 4), by_hand(IMAGES))
    ours, theirs = input_gradient(lambda x: run(encoder, x, 4), IMAGES), input_gradient(by_hand, IMAGES)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("place", ["feature", "image"])
@pytest.mark.parametrize("init", ["sincos", "zero"])
def test_per_step_bias_equals_a_loop(place: str, init: str) -> None:
    encoder = make("per_step_bias", place=place, init=init)
    table = encoder.bias.table

    def drive(t: int) -> Tensor:
        held = table[min(t, 3)]
        x = normalized(IMAGES)
        return conv_bn(x + held, encoder.drive) if place == "image" else conv_bn(x, encoder.drive) + held

    assert torch.equal(run(encoder, IMAGES, 6), lif_loop(drive, 6))


def test_per_step_bias_is_stf_without_feedback_and_from_zero_direct() -> None:
    stf, bias = make("stf_tspe_only"), make("per_step_bias")
    assert torch.equal(run(stf, IMAGES, 4), run(bias, IMAGES, 4))
    zero, direct = make("per_step_bias", init="zero"), make("direct")
    assert torch.equal(run(zero, IMAGES, 4), run(direct, IMAGES, 4))


def test_rsc_is_the_image_plus_fresh_noise() -> None:
    noise = (frames(make("rsc", sigma=0.2), IMAGES, 500) * 0.3 + 0.4 - IMAGES) / 0.2  # undo the normalisation
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.std()) == pytest.approx(1.0, abs=0.01)
    assert float((noise[1:] * noise[:-1]).mean()) == pytest.approx(0.0, abs=0.01)  # steps are independent
    assert float((noise[:, 0] * noise[:, 1]).mean()) == pytest.approx(0.0, abs=0.01)  # samples are
    assert abs(float((noise**4).mean()) - 3.0) < 0.1  # and it is Gaussian


@pytest.mark.parametrize(("timesteps", "radii"), [(8, [16, 14, 12, 10, 8, 6, 4, 2]), (4, [16, 14, 12, 10])])
def test_fe_equals_numpy_with_the_published_radii(timesteps: int, radii: list[int]) -> None:
    encoder = make("fe", height=32, width=32, timesteps=timesteps)
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    ours = frames(encoder, images, timesteps)
    for t, radius in enumerate(radii):
        mask = np.zeros((32, 32))
        mask[16 - radius : 16 + radius, 16 - radius : 16 + radius] = 1
        spectrum = np.fft.fftshift(np.fft.fft2(images.numpy()), axes=(-2, -1))
        kept = np.abs(np.fft.ifft2(np.fft.ifftshift(mask * spectrum, axes=(-2, -1))))
        np.testing.assert_allclose(ours[t].numpy(), (kept - 0.4) / 0.3, atol=1e-10)
    np.testing.assert_allclose(ours[0], normalized(images), atol=1e-10)  # the first band is the whole spectrum


@pytest.mark.parametrize(("height", "width"), [(9, 7), (8, 8), (1, 5)])
def test_fe_keeps_the_whole_image_first_and_its_mean_always(height: int, width: int) -> None:
    encoder = make("fe", height=height, width=width)
    images = torch.rand(2, 3, height, width, dtype=torch.float64)
    shown = frames(encoder, images, 12) * 0.3 + 0.4
    torch.testing.assert_close(shown[0], images, rtol=0, atol=1e-10)
    last = frames(encoder, torch.full_like(images, 0.7), 12) * 0.3 + 0.4
    torch.testing.assert_close(last, torch.full_like(last, 0.7))
    assert torch.equal(shown[8], shown[11])  # beyond the list the last band holds


def test_fe_refuses_bands_that_are_none() -> None:
    with pytest.raises(UserError, match=r"\(0, 1\]"):
        make("fe", shares=(1.0, 0.0))


@pytest.mark.parametrize("frequency", [False, True])
def test_el_equals_a_loop(frequency: bool) -> None:
    encoder = make("el", frequency=frequency)
    leak = encoder.neuron.leak.table
    with torch.no_grad():
        leak.uniform_(0.3, 1.1)

    class Fire(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, u: Tensor) -> Tensor:
            ctx.save_for_backward(u)
            return (u >= 0).to(u.dtype)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            result: Tensor = grad * (1 - ctx.saved_tensors[0].abs()).clamp(min=0)
            return result

    def by_hand(images: Tensor) -> Tensor:
        shown = frames(make("fe"), images, 4) if frequency else normalized(images).expand(4, *images.shape)
        membrane, spikes = torch.zeros(2, 16, 8, 8, dtype=torch.float64), []
        for t in range(4):
            membrane = leak[t] * membrane + conv_bn(shown[t], encoder.drive)
            spikes.append(Fire.apply(membrane - 1.0))
            membrane = membrane * (1 - spikes[-1].detach())
        return torch.stack(spikes)

    assert torch.equal(run(encoder, IMAGES, 4), by_hand(IMAGES))
    ours, theirs = input_gradient(lambda x: run(encoder, x, 4), IMAGES), input_gradient(by_hand, IMAGES)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11)
    assert parameters_beyond_direct("el", height=32, width=32, features=48) == 4 * 48 * 32 * 32


def test_gac_equals_a_loop() -> None:
    encoder = make("gac")
    first, second = (encoder.space[i][1].weight for i in (0, 2))
    squeeze, widen = encoder.time[0].weight, encoder.time[2].weight
    u = torch.stack([conv_bn(normalized(IMAGES), encoder.drive)] * 4)  # (T, B, C, H, W)
    spikes = lif_loop(lambda t: u[t], 4)
    wanted = torch.empty_like(u)
    for b in range(len(IMAGES)):
        pooled = [u[:, b].mean((1, 2, 3)), u[:, b].amax((1, 2, 3))]
        attention = sum(widen @ torch.relu(squeeze @ p) for p in pooled)
        for t in range(4):
            hidden = torch.relu(F.conv2d(F.pad(u[t, b][None], (1, 2, 1, 2)), first))
            places = F.conv2d(F.pad(hidden, (1, 2, 1, 2)), second)[0]
            wanted[t, b] = torch.sigmoid(attention[t] * places) * spikes[t, b]
    torch.testing.assert_close(run(encoder, IMAGES, 4), wanted, rtol=1e-10, atol=1e-12)


def test_gac_published_parameter_count() -> None:
    # the published 73,728 are the two convolutions; the temporal attention has 4 * 2 + 2 * 4 more at T = 4
    assert parameters_beyond_direct("gac", features=48, height=32, width=32) == 73_728 + 16


def test_gac_at_other_timesteps() -> None:
    encoder = make("gac")
    for timesteps in (1, 2, 3, 5, 9):
        assert torch.isfinite(run(encoder, IMAGES, timesteps)).all()
    with pytest.raises(UserError, match="trained for 4 timesteps"):
        run(make("gac", overrun="refuse"), IMAGES, 3)
    assert encoder.overrun(4) == "as trained"
    assert encoder.overrun(6) == "attention interpolated between 4 and 6"


class Tiny(Backbone):
    """conv-LIF (multi-step), LIF (one step a call), linear."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, Stem(task, 16))
        self.conv = nn.Conv2d(16, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        nn.init.constant_(self.norm.weight, 6.0)  # so that it fires, untrained
        self.first = self.stem.spiking()
        self.second = self.stem.spiking(step_mode="s")
        self.idle = self.stem.spiking()  # never used: gets no membrane
        self.head = nn.Linear(8, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        drive = self.norm(self.conv(spikes.flatten(0, 1))).unflatten(0, spikes.shape[:2])
        spikes = self.first(drive)
        return torch.stack([self.head(self.second(s).mean((2, 3))) for s in spikes])


def classifier(**parameters: Any) -> Any:
    torch.manual_seed(0)
    task = Task(3, 8, 8, 10, 4, (0.4,) * 3, (0.3,) * 3)
    backbone = Tiny(task)
    encoder = encoders.create("imp", backbone.stem, **parameters)
    model = Classifier(encoder, backbone, 4).double().eval()
    model.encoder.mean.fill_(0.4)
    model.encoder.std.fill_(0.3)
    return model


@pytest.mark.parametrize(
    ("scope", "shapes"),
    [
        ("encoder", [(1, 16, 8, 8)]),
        ("backbone", [(1, 8, 8, 8), (1, 8, 8, 8)]),
        ("all", [(1, 16, 8, 8), (1, 8, 8, 8), (1, 8, 8, 8)]),
    ],
)
def test_imp_gives_each_layer_in_scope_a_membrane(scope: str, shapes: list[tuple[int, ...]]) -> None:
    encoder = classifier(scope=scope).encoder
    initial = [membrane.v0 for membrane in encoder.membranes]
    assert [tuple(v.shape) for v in initial] == shapes
    assert all(float(v.detach().min()) >= 0.4 and float(v.detach().max()) <= 0.6 for v in initial)


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("scope", ["encoder", "backbone", "all"])
def test_imp_equals_a_loop(scope: str, sigmoid: bool) -> None:
    model = classifier(scope=scope, sigmoid=sigmoid)
    encoder, backbone = model.encoder, model.backbone
    initial = [m.v0.sigmoid() if sigmoid else m.v0 for m in encoder.membranes]
    own = initial.pop(0) if scope != "backbone" else 0.0
    others = initial or [0.0, 0.0]
    lifs = LIF(own), LIF(others[0]), LIF(others[1])

    def by_hand(images: Tensor) -> Tensor:
        logits = []
        for _ in range(4):
            spikes = lifs[0](conv_bn(normalized(images), encoder.drive))
            drive = backbone.norm(F.conv2d(spikes, backbone.conv.weight, backbone.conv.bias, padding=1))
            logits.append(backbone.head(lifs[2](lifs[1](drive)).mean((2, 3))))
        return torch.stack(logits)

    wanted = by_hand(IMAGES)
    torch.testing.assert_close(model.step_logits(IMAGES), wanted, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(model.step_logits(IMAGES), wanted, rtol=1e-10, atol=1e-12)  # again, after a reset
    parameters = [m.v0 for m in encoder.membranes]
    for a, b in zip(
        torch.autograd.grad(model.step_logits(IMAGES).square().sum(), parameters),
        torch.autograd.grad(wanted.square().sum(), parameters),
        strict=True,
    ):
        assert a.abs().sum() > 0
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_imp_leaves_the_backbone_as_it_was_and_survives_copies() -> None:
    torch.manual_seed(0)
    task = Task(3, 8, 8, 10, 4, (0.4,) * 3, (0.3,) * 3)
    backbone = Tiny(task).train()
    backbone.conv.eval()
    before = copy.deepcopy(backbone.state_dict())
    model: Any = Classifier(encoders.create("imp", backbone.stem), backbone, 4)
    assert backbone.training
    assert not backbone.conv.training
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())
    model = model.double().eval()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for membrane in twin.encoder.membranes:
            membrane.v0.fill_(1.9)
    assert not torch.equal(twin.step_logits(IMAGES), model.step_logits(IMAGES))
    fresh = classifier()
    fresh.load_state_dict(twin.state_dict())
    assert torch.equal(fresh.step_logits(IMAGES), twin.step_logits(IMAGES))


def test_imp_serves_one_backbone() -> None:
    model = classifier()
    again: Any = Classifier(model.encoder, model.backbone, 4, "last")  # the same pair may be joined twice
    assert len(again.encoder.membranes) == 2
    with pytest.raises(ValueError, match="one backbone"):
        Classifier(model.encoder, Tiny(model.backbone.task), 4)
