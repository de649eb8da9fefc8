"""The classical codings against loops of their formulas, SpikingJelly's encoders, and their expected values."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from spikingjelly.activation_based.encoding import LatencyEncoder, PoissonEncoder, WeightedPhaseEncoder

from tests.encoders.handwritten import LIF, conv_bn, frames, make, run

PIXELS = torch.linspace(0, 1, 64, dtype=torch.float64).reshape(1, 1, 8, 8)


@pytest.mark.parametrize("name", ["rate", "signed_rate", "ttfs", "phase", "burst", "sigma_delta", "rsc", "fe"])
def test_frames_go_through_the_shared_stem(name: str) -> None:
    encoder = make(name)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    lif = LIF()
    wanted = torch.stack([lif(conv_bn(frame, encoder.drive)) for frame in frames(encoder, images, 4)])
    assert wanted.mean() > 0
    assert torch.equal(run(encoder, images, 4), wanted)


def test_rate_mean_tends_to_the_pixel() -> None:
    encoder = make("rate", channels=1)
    drawn = frames(encoder, PIXELS.expand(25, 1, 8, 8), 400)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    error = (drawn.mean((0, 1)) - PIXELS[0]).abs()
    assert error.max() < 5 * 0.5 / math.sqrt(25 * 400)  # five standard errors
    assert drawn[:, :, 0, 0, 0].sum() == 0  # a black pixel never fires
    assert drawn[:, :, 0, 7, 7].min() == 1  # a white one always


def test_rate_has_the_distribution_of_spikingjelly() -> None:
    torch.manual_seed(0)
    theirs = PoissonEncoder()
    drawn = torch.stack([theirs(PIXELS[0, 0]) for _ in range(4000)])
    ours = frames(make("rate", channels=1), PIXELS, 4000)[:, 0, 0]
    spread = (PIXELS[0, 0] * (1 - PIXELS[0, 0]) * 2 / 4000).sqrt()
    assert ((ours.mean(0) - drawn.mean(0)).abs() <= 5 * spread + 1e-12).all()
    pairs = (ours[1:] * ours[:-1]).mean(0)  # steps are independent: P(two in a row) = x^2
    assert (pairs - PIXELS[0, 0] ** 2).abs().max() < 0.05


def test_signed_rate_mean_tends_to_the_centred_pixel() -> None:
    drawn = frames(make("signed_rate", channels=1), PIXELS.expand(25, 1, 8, 8), 400)
    assert set(drawn.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert (drawn.mean((0, 1)) - (2 * PIXELS[0] - 1)).abs().max() < 5 / math.sqrt(25 * 400)


@pytest.mark.parametrize("curve", ["linear", "log"])
@pytest.mark.parametrize("timesteps", range(1, 11))
def test_ttfs_equals_spikingjelly(curve: str, timesteps: int) -> None:
    theirs = LatencyEncoder(timesteps, enc_function=curve).single_step_encode(PIXELS)
    ours = frames(make("ttfs", channels=1, curve=curve), PIXELS, timesteps)
    assert torch.equal(ours, theirs)


@given(st.integers(1, 10), st.sampled_from(["linear", "log"]), st.integers(0, 1000))
@settings(max_examples=30)
def test_ttfs_fires_exactly_once_and_brighter_is_earlier(timesteps: int, curve: str, seed: int) -> None:
    pixels = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spikes = frames(TTFS[curve], pixels, timesteps)
    assert (spikes.sum(0) == 1).all()
    times = spikes.argmax(0).flatten()[pixels.flatten().argsort()]
    assert (times.diff() <= 0).all()


TTFS = {curve: make("ttfs", channels=1, curve=curve) for curve in ("linear", "log")}


@pytest.mark.parametrize("timesteps", range(1, 11))
def test_phase_equals_spikingjelly_and_reconstructs(timesteps: int) -> None:
    encoder = make("phase", channels=1)
    inside = PIXELS * (1 - 2.0**-timesteps)
    bits = WeightedPhaseEncoder(timesteps).single_step_encode(inside)
    weights = torch.tensor([2.0 ** -(t + 1) for t in range(timesteps)], dtype=torch.float64).view(-1, 1, 1, 1, 1)
    assert torch.equal(frames(encoder, inside, timesteps), bits * weights)
    told = frames(encoder, PIXELS, timesteps).sum(0)
    assert ((PIXELS - told) >= 0).all()
    assert ((PIXELS - told) <= 2.0**-timesteps).all()


def test_phase_shows_the_bits_of_the_published_example() -> None:
    for value, bits in [(192, "11000000"), (1, "00000001"), (128, "10000000"), (255, "11111111")]:  # Kim et al., 2018
        image = torch.full((1, 1, 8, 8), value / 256, dtype=torch.float64)
        shown = frames(make("phase", channels=1), image, 8)[:, 0, 0, 0, 0]
        assert "".join("1" if amplitude > 0 else "0" for amplitude in shown) == bits


@pytest.mark.parametrize("timesteps", range(1, 13))
def test_burst_equals_a_loop(timesteps: int) -> None:
    ours = frames(make("burst", channels=1), PIXELS, timesteps)
    for index, x in enumerate(PIXELS.flatten().tolist()):
        count = math.ceil(5 * x)
        shortest = min(2, timesteps)
        interval = math.ceil(timesteps - (timesteps - shortest) * x) if count > 1 else timesteps
        times = {k * interval for k in range(count) if k * interval < timesteps}
        train = ours[:, 0, 0, index // 8, index % 8].tolist()
        assert train == [1.0 if t in times else 0.0 for t in range(timesteps)], x


@given(st.integers(1, 40), st.floats(1.0, 3.0), st.integers(0, 1000))
@settings(max_examples=30)
def test_sigma_delta_error_is_below_a_threshold_over_t(timesteps: int, threshold: float, seed: int) -> None:
    pixels = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    encoder = make("sigma_delta", channels=1, threshold=threshold)
    told = threshold * frames(encoder, pixels, timesteps).mean(0)
    assert ((pixels - told).abs() < threshold / timesteps + 1e-9).all()


@pytest.mark.parametrize("threshold", [1.0, 0.7])
def test_sigma_delta_equals_a_loop(threshold: float) -> None:
    ours = frames(make("sigma_delta", channels=1, threshold=threshold), PIXELS, 9)
    for index, x in enumerate(PIXELS.flatten().tolist()):
        error, train = 0.0, []
        for _ in range(9):
            error += x
            train.append(1.0 if error - threshold >= 0 else 0.0)
            error -= threshold * train[-1]
        assert ours[:, 0, 0, index // 8, index % 8].tolist() == train, x
