"""STF against a loop of its equations, its published parameter counts, and what it must not compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.encoders.stf import STF
from robustbench_snn.errors import UserError
from robustbench_snn.model.position_embedding import PositionEmbedding
from robustbench_snn.registry import encoders
from tests.encoders.handwritten import LIF, conv_bn, input_gradient, make, parameters_beyond_direct, run


def stf(name: str = "stf", **parameters: Any) -> STF:
    encoder = make(name, **parameters)
    assert isinstance(encoder, STF)
    return encoder


def layers(module: nn.Module) -> nn.Sequential:
    assert isinstance(module, nn.Sequential)
    return module


def by_hand(encoder: STF, images: Tensor, timesteps: int) -> Tensor:
    """S_t = LIF(BN(W(x + [image form] + [F of STF-1])) + [feature form] + [F of STF-2]), F_t = BN_f(W_f S_t)."""
    x = (images - 0.4) / 0.3
    table = encoder.embedding.table if isinstance(encoder.embedding, PositionEmbedding) else None
    lif, after = LIF(), LIF()
    spikes: list[Tensor] = []
    back = None
    for t in range(timesteps):
        held = None if table is None else table[min(t, len(table) - 1)]
        image, feature = x, torch.zeros((), dtype=x.dtype)
        if encoder.place == "image" and held is not None:
            image = image + held
        if encoder.place == "feature" and held is not None:
            feature = feature + held
        if back is not None and encoder.target == "image":
            image = image + back[..., : x.shape[2], : x.shape[3]]
        if back is not None and encoder.target == "feature":
            feature = feature + back
        spikes.append(lif(conv_bn(image, encoder.drive) + feature))
        if encoder.target != "none":
            back = conv_bn(spikes[-1], layers(encoder.feedback))
            if len(layers(encoder.feedback)) > 2:  # neurons after the feedback
                back = after(back)
    return torch.stack(spikes)


PRESETS = [name for name in encoders if name.startswith("stf") and name != "stf_plif"]


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_equals_its_equations(name: str, pool: bool) -> None:
    encoder = stf(name, pool=pool, height=7, width=8)
    images = torch.rand(2, 3, 7, 8, dtype=torch.float64)
    for timesteps in (1, 4, 6):
        spikes = run(encoder, images, timesteps)
        assert torch.equal(spikes, by_hand(encoder, images, timesteps))
        assert 0 < spikes.mean() < 1 or timesteps == 1
    ours = input_gradient(lambda x: run(encoder, x, 4), images)
    theirs = input_gradient(lambda x: by_hand(encoder, x, 4), images)
    assert ours.abs().sum() > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_gradient_of_every_parameter_equals_the_loop() -> None:
    encoder = stf()
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    parameters = list(encoder.parameters())
    ours = torch.autograd.grad(run(encoder, images, 4).sum(), parameters)
    theirs = torch.autograd.grad(by_hand(encoder, images, 4).sum(), parameters)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_plif_after_the_feedback_starts_as_lif() -> None:
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(run(stf("stf_plif"), images, 4), run(stf("stf_lif"), images, 4))


def test_presets_are_the_published_variants() -> None:
    names = ["stf", *(f"stf_arch{i}" for i in range(1, 6))]
    assert {name: (stf(name).target, stf(name).place) for name in names} == {
        "stf_arch1": ("image", "feature"),
        "stf_arch2": ("image", "image"),
        "stf_arch3": ("feature", "image"),
        "stf_arch4": ("feature", "feature"),
        "stf_arch5": ("feature", "none"),
        "stf": ("feature", "feature"),
    }


@pytest.mark.parametrize(
    ("features", "parameters", "count"),
    [
        (48, {"feedback": "none"}, 196_608),
        (48, {"embed": "none"}, 20_832),
        (64, {"embed": "none"}, 36_992),
        (32, {"embed": "none"}, 9_280),
        (48, {"embed": "none", "kernel": 1}, 2_400),
        (48, {"embed": "none", "feedback": "image"}, 1_302),
        (48, {"embed": "none", "feedback": "image", "kernel": 1}, 150),
        (48, {}, 196_608 + 20_832),
    ],
)
def test_published_parameter_counts(features: int, parameters: dict[str, Any], count: int) -> None:
    assert parameters_beyond_direct("stf", features=features, height=32, width=32, **parameters) == count


@pytest.mark.parametrize(
    ("name", "drives", "feedbacks"),
    [
        ("stf", 1, 3),
        ("stf_arch5", 1, 3),
        ("stf_tspe_only", 1, 0),
        ("stf_arch3", 1, 3),
        ("stf_arch1", 4, 3),
        ("direct", 1, 0),
    ],
)
def test_first_convolution_once_and_no_last_feedback(name: str, drives: int, feedbacks: int) -> None:
    encoder = make(name)
    calls: dict[str, list[int]] = {"drive": [], "feedback": []}
    layers(encoder.get_submodule("drive"))[0].register_forward_hook(
        lambda module, inputs, output: calls["drive"].append(len(inputs[0]))
    )
    if feedbacks:
        layers(encoder.get_submodule("feedback"))[0].register_forward_hook(lambda *_: calls["feedback"].append(1))
    run(encoder, torch.rand(2, 3, 8, 8, dtype=torch.float64), 4)
    assert len(calls["drive"]) == drives
    assert len(calls["feedback"]) == feedbacks
    assert calls["drive"][0] == (8 if name == "stf_arch3" else 2)  # arch 3: other images every step, in one batch


def test_last_feedback_does_not_pollute_batch_norm() -> None:
    encoder = stf().train()
    norm = layers(encoder.feedback)[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_batches_tracked is not None
    before = int(norm.num_batches_tracked)
    run(encoder, torch.rand(2, 3, 8, 8, dtype=torch.float64), 4)
    assert int(norm.num_batches_tracked) == before + 3
    run(encoder, torch.rand(2, 3, 8, 8, dtype=torch.float64), 1)
    assert int(norm.num_batches_tracked) == before + 3


@pytest.mark.parametrize("name", ["stf_tspe_only", "stf_arch5"])
def test_what_a_variant_lacks_has_no_parameters(name: str) -> None:
    """Its stand-in adds nothing: no entry in a file of weights, and no name for one to be missing."""
    encoder = stf(name)
    absent = "feedback" if name == "stf_tspe_only" else "embedding"
    assert not [key for key in encoder.state_dict() if key.startswith(absent)]
    assert [key for key in stf().state_dict() if key.startswith(absent)]


def test_without_embedding_half_precision_stays_half() -> None:
    encoder = stf("stf_arch5").float()
    seen: list[torch.dtype] = []
    encoder.neuron.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        run(encoder, torch.rand(2, 3, 8, 8), 3)
    assert seen == [torch.bfloat16] * 3


def test_downsampling_stem_feeds_back_by_transposed_convolution() -> None:
    encoder = stf("stf1", pool=True)
    convolution = layers(encoder.feedback)[0]
    assert isinstance(convolution, nn.ConvTranspose2d)
    assert convolution.kernel_size == convolution.stride == (2, 2)
    assert convolution.weight.shape == (16, 3, 2, 2)


def test_overrun_rules() -> None:
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    hold, stretched, refuse = (stf(overrun=rule) for rule in ("hold", "interpolate", "refuse"))
    assert torch.equal(run(hold, images, 6)[:4], run(hold, images, 4))
    assert not torch.equal(run(stretched, images, 6), run(hold, images, 6))
    with pytest.raises(UserError, match="trained for 4 timesteps and cannot serve 5"):
        run(refuse, images, 5)
    assert hold.overrun(4) == "as trained"
    assert hold.overrun(6) == "hold beyond 4"
    assert hold.overrun(2) == "first 2 of 4 maps"
    assert not stretched.traits.causal


def test_channels_that_the_embedding_cannot_divide() -> None:
    with pytest.raises(UserError, match="multiple of 16"):
        stf(features=24)
    assert stf(features=24, embed="none") is not None
