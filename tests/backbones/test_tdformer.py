"""TDFormer: how it meets its baseline, what its feedback does, and the bound on its mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from robustbench_snn.backbones.topdown import (
    Direction,
    Processing,
    ProcessingModule,
    SpatialMask,
    TokenConv,
    TokenNorm,
    variance_bound,
)
from robustbench_snn.errors import UserError
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import NeuronConfig

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
        for module in backbone.modules():
            if hasattr(module, "reset"):
                module.reset()
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
    mask = SpatialMask(3, low=0.0, high=1.5, normalize=True, spherical=False)
    assert mask.weight is not None
    with torch.no_grad():
        mask.weight.copy_(torch.tensor([3.0, 0.0, 4.0]))  # of length 5
    tokens = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [2.0, 0.0, 1.0]])[None, None]
    assert mask.mask(tokens).flatten().tolist() == pytest.approx([0.6, 1.4, 0.0, 1.5])
    assert mask(tokens)[0, 0, 1].tolist() == pytest.approx([1.4, 0.0, 1.4])
    raw = SpatialMask(3, low=0.5, high=2.0, normalize=False, spherical=False)
    raw.load_state_dict(mask.state_dict())
    assert raw.mask(tokens).flatten().tolist() == [2.0, 2.0, 0.5, 2.0]


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=12)
    .map(lambda values: np.array(values) / max(float(np.linalg.norm(values)), 1e-30))
    .filter(lambda unit: np.linalg.norm(unit) > 0.5 and unit.mean() * len(unit) ** 0.5 > -0.99)
)
def test_direction_has_coordinates_for_every_unit_vector(unit: np.ndarray) -> None:
    """Read back by the textbook inverse, after turning the diagonal into the last axis by a rotation of our own."""
    count = len(unit)
    axes = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, :-1]]))[0]
    along, across = unit @ np.ones(count) / count**0.5, unit @ axes[:, 1:]
    point = across @ axes[:, 1:].T / (1 + along)  # where the line from -diagonal through ``unit`` meets the equator

    direction = Direction(count).double()
    torch.testing.assert_close(direction(), torch.full((count,), count**-0.5, dtype=torch.float64), rtol=0, atol=1e-6)
    jacobian = torch.autograd.functional.jacobian(
        lambda weight: torch.func.functional_call(direction, {"weight": weight}, ()), direction.weight
    )
    with torch.no_grad():  # at the origin the chart is 2 x isometry, so it takes the equator's plane to coordinates
        direction.weight.copy_(jacobian.T @ torch.tensor(point) / 2)
    torch.testing.assert_close(direction(), torch.tensor(unit), rtol=0, atol=1e-5)


@pytest.mark.parametrize("processing", ["v2", "v4"])
def test_leak_and_mask_of_plif_variants_both_learn(
    processing: str, lively: Callable[..., Classifier], images: Tensor
) -> None:
    """The leak took a parameter from the mask, whose length was free; neither is an idle number."""
    model: Any = lively("tdformer", processing=processing)
    model(images).square().sum().backward()
    for module in model.backbone.processing:
        assert module.mixer[-1].w.grad.abs() > 0
        assert (module.mask.direction.weight.grad != 0).float().mean() > 0.5
        assert module.mask.weights().norm().item() == pytest.approx(1.0, abs=1e-6)


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
        mask = SpatialMask(64, low=0.0, high=high, normalize=True, spherical=False)
        assert mask.weight is not None
        torch.nn.init.normal_(mask.weight)
        for rate in (0.1, 0.3, 0.5):
            spikes = (torch.rand(1, 1, 20_000, 64) < rate).float()
            assert mask(spikes).var() <= variance_bound(rate, high) * 1.02
