"""TDFormer: how it meets its baseline, what its feedback does, and the bound on its mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from robustbench_snn.backbones.attention import SpikingSelfAttention
from robustbench_snn.backbones.blocks import MLP, Block
from robustbench_snn.backbones.topdown import (
    Control,
    ControlModule,
    Processing,
    ProcessingModule,
    SpatialMask,
    TokenConv,
    TokenNorm,
    TopDownBlock,
    variance_bound,
)
from robustbench_snn.errors import UserError
from robustbench_snn.model.checkpointing import recomputing
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import NeuronConfig, reset, spiking_neurons

BASES = ["spikformer", "sdt", "qkformer"]
CONTROLS = ["cm1", "cm2", "cm3"]
VARIANTS = ["v1", "v2", "v3", "v4"]
SHAPE: dict[str, Any] = {"width": 32, "heads": 2}


def pair(lively: Callable[..., Classifier], base: str, **parameters: Any) -> tuple[Any, Any]:
    """A baseline with random biases, and a TDFormer that has taken over its weights."""
    shape = {**SHAPE, "depth": 4 if base == "qkformer" else 2}
    baseline: Any = lively(base, **shape)
    with torch.no_grad():
        for block in baseline.backbone.blocks:
            block.attention.project.linear.bias.normal_(0, 0.1)
    model: Any = lively("tdformer", base=base, **shape, **parameters)
    model.encoder.load_state_dict(baseline.encoder.state_dict())
    model.backbone.load_baseline(baseline.backbone.state_dict())
    return baseline.double(), model.double()


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("literal", [False, True])
@torch.no_grad()
def test_one_segment_is_the_baseline(
    base: str, literal: bool, lively: Callable[..., Classifier], images: Tensor
) -> None:
    baseline, model = pair(lively, base, segments=1, literal=literal)
    expected = baseline.step_logits(images.double())
    torch.testing.assert_close(model.step_logits(images.double()), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model(images.double()), expected.mean(0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("control", CONTROLS)
@torch.no_grad()
def test_feedback_zeroed_is_the_baseline(
    base: str, control: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    baseline, model = pair(lively, base, segments="per_step", control=control)
    expected = baseline.step_logits(images.double())
    assert not torch.allclose(model.step_logits(images.double()), expected, atol=1e-6), "the feedback does nothing"
    for module in model.backbone.control:
        for weight in module.feedback.parameters():
            weight.zero_()
        for norm in (norm for norm in module.modules() if isinstance(norm, TokenNorm)):
            norm.reset_running_stats()  # CM3: the mean of a feedback that is no longer there
    torch.testing.assert_close(model.step_logits(images.double()), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("processing", VARIANTS)
def test_gradient_reaches_earlier_segments_through_the_feedback(
    control: str, processing: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    """With every membrane cut between segments, the feedback alone links the last logits to the first tokens."""
    model: Any = lively("tdformer", segments=2, control=control, processing=processing)
    backbone = model.backbone
    tokens = backbone.base.tokenize(model.encoder(images, 4)).detach()
    first, second = tokens[:2].requires_grad_(), tokens[2:]

    def last_logits(*, linked: bool) -> Tensor:
        output = backbone.transform(first, [])
        feedback = [module(output) for module in backbone.processing]
        reset(backbone)
        top_down = feedback if linked else [spikes.detach() for spikes in feedback]
        result: Tensor = backbone.base.classify(backbone.transform(second, top_down))[-1]
        return result

    (gradient,) = torch.autograd.grad(last_logits(linked=True).square().sum(), first, allow_unused=True)
    assert gradient.abs().sum() > 0
    (cut,) = torch.autograd.grad(last_logits(linked=False).square().sum(), first, allow_unused=True)
    assert cut is None


@torch.no_grad()
def test_first_segment_hears_nothing_and_the_second_does(lively: Callable[..., Classifier], images: Tensor) -> None:
    baseline, model = pair(lively, "spikformer", segments=2)
    expected, logits = (classifier.step_logits(images.double()) for classifier in (baseline, model))
    torch.testing.assert_close(logits[:2], expected[:2], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(logits[2:], expected[2:], atol=1e-6)


@pytest.mark.parametrize("base", BASES)
@torch.no_grad()
def test_reset_without_feedback_is_the_baseline_on_each_segment_alone(
    base: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    baseline, model = pair(lively, base, segments=2, between_segments="reset")
    reset(baseline)
    spikes = baseline.encoder(images.double(), 5)
    for module in model.backbone.control:
        for weight in module.feedback.parameters():
            weight.zero_()
    alone: list[Tensor] = []
    for segment in (spikes[:2], spikes[2:]):
        reset(baseline)
        alone.append(baseline.backbone(segment))
    reset(baseline)
    in_one_run = baseline.backbone(spikes)
    logits = model.step_logits(images.double(), timesteps=5)
    torch.testing.assert_close(logits, torch.cat(alone), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(logits[:2], in_one_run[:2], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(logits[2:], in_one_run[2:], atol=1e-6)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("control", CONTROLS)
@torch.no_grad()
def test_reset_runs_every_segment_from_rest_with_the_top_down_spikes_of_the_one_before(
    base: str, control: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    shape = {**SHAPE, "depth": 4 if base == "qkformer" else 2}
    model: Any = lively(
        "tdformer", base=base, **shape, control=control, processing="v4", segments=3, between_segments="reset"
    )
    logits = model.step_logits(images, timesteps=6)
    backbone = model.backbone
    reset(model)
    spikes = model.encoder(images, 6)
    top_down: list[Tensor] = []
    for steps in (slice(0, 2), slice(2, 4), slice(4, 6)):
        reset(backbone)
        tokens = backbone.base.tokenize(spikes[steps])
        terms = [module(fed) for module, fed in zip(backbone.control, top_down, strict=bool(top_down))]
        for index, block in enumerate(backbone.base.blocks):
            tokens = block(tokens, terms[index]) if terms else block(tokens)
        torch.testing.assert_close(logits[steps], backbone.base.classify(tokens), rtol=0, atol=1e-6)
        top_down = [module(tokens) for module in backbone.processing]
        assert all(0 < fed.mean() < 1 for fed in top_down)


@torch.no_grad()
def test_membranes_between_segments_make_a_difference(lively: Callable[..., Classifier], images: Tensor) -> None:
    carry, fresh = (lively("tdformer", segments=2, between_segments=rule) for rule in ("carry", "reset"))
    fresh.load_state_dict(carry.state_dict())
    by_default = lively("tdformer", segments=2)
    by_default.load_state_dict(carry.state_dict())
    kept, cut = carry.step_logits(images), fresh.step_logits(images)
    assert torch.equal(by_default.step_logits(images), kept)
    torch.testing.assert_close(cut[:2], kept[:2], rtol=0, atol=1e-5)
    assert not torch.allclose(cut[2:], kept[2:], atol=1e-3)
    one_segment = lively("tdformer", segments=1, between_segments="reset").step_logits(images)
    torch.testing.assert_close(one_segment, lively("tdformer", segments=1).step_logits(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("between", ["carry", "reset"])
@pytest.mark.parametrize("control", CONTROLS)
def test_checkpointing_gives_the_same_gradient(
    between: str, control: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    model = lively("tdformer", base="sdt", segments=2, between_segments=between, control=control, processing="v2")

    def gradients() -> list[Tensor]:
        leaf = images.clone().requires_grad_()
        return list(torch.autograd.grad(model(leaf).square().sum(), [leaf, *model.parameters()]))

    plain = gradients()
    with recomputing(model):
        again = gradients()
    assert plain[0].abs().sum() > 0
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))


def steerable(control: Control) -> tuple[Block, TopDownBlock, ControlModule]:
    """A block, the same block made steerable, and its control module; thresholds low enough for all layers to fire."""
    torch.manual_seed(0)
    neuron = NeuronConfig(threshold=0.2)
    attention = SpikingSelfAttention(16, 2, neuron, membrane=False, bias=False)
    block = Block(attention, MLP(16, neuron, membrane=False)).eval()
    module = ControlModule(attention, 16, (2, 2), control, "v1", neuron, literal=False).eval()
    return block, TopDownBlock(block, control), module


@pytest.mark.parametrize("control", CONTROLS)
@torch.no_grad()
def test_block_without_top_down_term_is_the_block_it_was_made_of(control: Control) -> None:
    block, steered, _ = steerable(control)
    tokens = (torch.rand(3, 2, 4, 16) < 0.4).float()
    expected = block(tokens)
    assert expected.std() > 0
    reset(block)
    assert torch.equal(steered(tokens), expected)
    assert list(steered.state_dict()) == list(block.state_dict())
    assert len(spiking_neurons(steered)) == len(spiking_neurons(block))


@pytest.mark.parametrize("control", CONTROLS)
@torch.no_grad()
def test_top_down_term_is_a_product_with_the_concatenation(control: Control) -> None:
    """[W_bu W_td] [S_bu; S_td], written out with one wide matrix; CM3 adds spikes to the input instead."""
    block, steered, module = steerable(control)
    bottom_up, fed = ((torch.rand(3, 2, 4, 16) < rate).float() for rate in (0.4, 0.5))
    out = steered(bottom_up, module(fed))
    reset(block)
    reset(module)
    attention, norm = block.attention, 1 / (1 + 1e-5) ** 0.5  # of a batch norm with running variance 1
    assert isinstance(attention, SpikingSelfAttention)

    def project(name: str, tokens: Tensor) -> Tensor:
        layer = attention.get_submodule(name)
        matrix: Tensor = layer.get_parameter("linear.weight")
        if control == {"key": "cm1", "value": "cm2"}.get(name):
            matrix = torch.cat([matrix, module.get_parameter("feedback.weight")], 1)
            tokens = torch.cat([tokens, fed], -1)
        spikes: Tensor = layer.get_submodule("neuron")((tokens @ matrix.T) * norm)
        return spikes

    seen = bottom_up
    if control == "cm3":
        spiking = module.get_submodule("spiking.1")
        seen = seen + spiking((fed @ module.get_parameter("feedback.weight").T) * norm)
    tokens = bottom_up + attention.project(
        attention.mix(project("query", seen), project("key", seen), project("value", seen))
    )
    expected = tokens + block.mlp(tokens)
    assert (out != block(bottom_up)).any()
    assert (out != expected).float().mean() < 0.01  # a current that rounds across the threshold


@torch.no_grad()
def test_answer_is_the_last_segments_and_the_others_can_be_had(
    lively: Callable[..., Classifier], images: Tensor
) -> None:
    model = lively("tdformer", segments=2)
    steps = model.step_logits(images)
    first, last = model.segment_logits(steps)
    torch.testing.assert_close(first, steps[:2].mean(0))
    torch.testing.assert_close(model(images), steps[2:].mean(0))
    torch.testing.assert_close(last, model(images))


@pytest.mark.parametrize(
    ("segments", "timesteps", "lengths"),
    [(1, 4, [4]), (2, 4, [2, 2]), (2, 5, [2, 3]), (3, 4, [1, 1, 2]), (3, 2, [1, 1]), ("per_step", 3, [1, 1, 1])],
)
@torch.no_grad()
def test_segments(
    segments: int | str, timesteps: int, lengths: list[int], lively: Callable[..., Classifier], images: Tensor
) -> None:
    model = lively("tdformer", segments=segments, depth=1)
    assert model.backbone.segments(timesteps) == lengths
    assert model.step_logits(images, timesteps=timesteps).shape == (timesteps, 8, 10)


def test_loss_weights(lively: Callable[..., Classifier]) -> None:
    assert lively("tdformer", segments=3).backbone.segment_weights() == [1 / 6, 2 / 6, 3 / 6]
    assert lively("tdformer", segments=2, loss_weights=(0.3, 0.7)).backbone.segment_weights() == [0.3, 0.7]
    for wrong in [(1.0,), (0.5, 0.6), (-0.5, 1.5)]:
        with pytest.raises(UserError, match="loss_weights must be 2 numbers of sum 1"):
            lively("tdformer", segments=2, loss_weights=wrong)


def test_parameters_that_do_not_fit(lively: Callable[..., Classifier]) -> None:
    with pytest.raises(UserError, match="fed_blocks is 3, but only 2 blocks can get the feedback; take 1 to 2"):
        lively("tdformer", fed_blocks=3)
    with pytest.raises(UserError, match=r"mask_low 2\.0 must be below mask_high 1\.0"):
        lively("tdformer", mask_low=2.0, mask_high=1.0)


def test_only_fed_blocks_are_fed(lively: Callable[..., Classifier]) -> None:
    model: Any = lively("tdformer", depth=3, fed_blocks=1).backbone
    assert len(model.control) == len(model.processing) == 1
    biases = [block.attention.project.linear.bias is None for block in model.base.blocks]
    assert biases == [True, False, False]


def test_mask_is_the_clamped_weighted_sum() -> None:
    mask = SpatialMask(3, low=0.0, high=1.5, normalize=True)
    with torch.no_grad():
        mask.weight.copy_(torch.tensor([3.0, 0.0, 4.0]))  # of length 5
    tokens = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [2.0, 0.0, 1.0]])[None, None]
    assert mask.mask(tokens).flatten().tolist() == pytest.approx([0.6, 1.4, 0.0, 1.5])
    assert mask(tokens)[0, 0, 1].tolist() == pytest.approx([1.4, 0.0, 1.4])
    raw = SpatialMask(3, low=0.5, high=2.0, normalize=False)
    raw.load_state_dict(mask.state_dict())
    assert raw.mask(tokens).flatten().tolist() == [2.0, 2.0, 0.5, 2.0]


@pytest.mark.parametrize("processing", ["v2", "v4"])
def test_leak_and_mask_of_plif_variants_both_learn(
    processing: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    """The leak comes on top of the C weights that the mask of V1 and V3 has too."""
    model: Any = lively("tdformer", processing=processing)
    model(images).square().sum().backward()
    for module in model.backbone.processing:
        assert module.mixer[-1].w.grad.abs() > 0
        assert module.mask.weight.shape == (32,)
        assert (module.mask.weight.grad != 0).float().mean() > 0.5


def test_token_convolution_equals_loops_and_costs_a_square() -> None:
    conv = TokenConv(8, (2, 3)).double()
    assert sum(parameter.numel() for parameter in conv.parameters()) == 64
    tokens = torch.rand(1, 1, 6, 8, dtype=torch.float64)
    maps = F.pad(tokens[0, 0].T.reshape(8, 2, 3), (0, 1, 0, 1))
    out = conv(tokens)
    for row in range(2):
        for column in range(3):
            for channel in range(8):
                group = channel // 2 * 2
                window = maps[group : group + 2, row : row + 2, column : column + 2]
                expected = (conv.conv.weight[channel] * window).sum()
                torch.testing.assert_close(out[0, 0, row * 3 + column, channel], expected)


@pytest.mark.parametrize("processing", VARIANTS)
@pytest.mark.parametrize("literal", [False, True])
def test_processing_gives_spikes_and_knows_its_neurons(processing: Processing, literal: bool) -> None:
    torch.manual_seed(0)
    module = ProcessingModule(
        128, (2, 2), processing, NeuronConfig(), low=0.0, high=2.0, normalize=True, literal=literal
    )
    out = module(torch.rand(4, 8, 4, 1) + torch.rand(4, 8, 4, 128))
    assert set(out.unique().tolist()) == {0.0, 1.0}
    kind = type(module.mixer[-1]).__name__
    assert kind == ("ParametricLIFNode" if processing in ("v2", "v4") else "LIFNode")


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.35, 0.5])
@pytest.mark.parametrize("high", [1.0, 1.5, 2.0])
def test_tight_variance_bound(rate: float, high: float) -> None:
    """Proposition 4.1 with b = 0: no mask gives X M more variance than a^2 f (1 - f), and the mask M = a gives that."""
    random = np.random.default_rng(0)
    spikes = (random.random(400_000) < rate).astype(float)
    bound = variance_bound(rate, high)
    assert bound == pytest.approx(high**2 * rate * (1 - rate))
    assert (spikes * high).var() == pytest.approx(bound, rel=0.02)
    for _ in range(20):  # masks that know the spike, masks that do not, of every share of high and low values
        share_one, share_zero = random.random(2)
        mask = np.where(random.random(spikes.size) < np.where(spikes == 1, share_one, share_zero), high, 0.0)
        assert (spikes * mask).var() <= bound * 1.02
        assert (spikes * random.uniform(0, high, spikes.size)).var() <= bound * 1.02
    printed = high**2 * (rate**2 - rate + 0.5)
    assert printed >= bound - 1e-12


@pytest.mark.parametrize("rate", [0.6, 0.8, 0.95])
def test_variance_bound_at_high_rates(rate: float) -> None:
    """Above f = 1/2 (b = 0) the worst mask silences spikes until half are left: a^2 / 4."""
    random = np.random.default_rng(0)
    spikes = (random.random(400_000) < rate).astype(float)
    assert variance_bound(rate, 2.0) == pytest.approx(1.0)
    worst = np.where(random.random(spikes.size) < 0.5 / rate, 2.0, 0.0)
    assert (spikes * worst).var() == pytest.approx(1.0, rel=0.02)
    assert max((spikes * np.where(random.random(spikes.size) < share, 2.0, 0.0)).var() for share in (0.3, 1)) < 1.0


@torch.no_grad()
def test_variance_bound_holds_for_the_module() -> None:
    torch.manual_seed(0)
    for high in (1.0, 2.0):
        mask = SpatialMask(64, low=0.0, high=high, normalize=True)
        torch.nn.init.normal_(mask.weight)
        for rate in (0.1, 0.3, 0.5):
            spikes = (torch.rand(1, 1, 20_000, 64) < rate).float()
            assert mask(spikes).var() <= variance_bound(rate, high) * 1.02
