"""Properties that hold for every encoder, over random sizes, channels and timesteps."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from robustbench_snn.model.encoder import FrameEncoder
from robustbench_snn.registry.data_kind import takers
from tests.encoders.handwritten import frames, make, run

FRAME_RANGES = {
    "rate": {0.0, 1.0},
    "signed_rate": {-1.0, 0.0, 1.0},
    "ttfs": {0.0, 1.0},
    "ttfs_log": {0.0, 1.0},
    "burst": {0.0, 1.0},
    "sigma_delta": {0.0, 1.0},
    "phase": {0.0, *(2.0 ** -(t + 1) for t in range(10))},
}


@given(
    name=st.sampled_from(takers("encoders", events=False)),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    timesteps=st.integers(1, 10),
    trained=st.integers(1, 10),
    pool=st.booleans(),
    pixels=st.sampled_from(["random", "black", "white", "grey"]),
)
@settings(max_examples=120)
def test_any_image_any_size_any_timesteps(
    name: str, channels: int, height: int, width: int, timesteps: int, trained: int, pool: bool, pixels: str
) -> None:
    encoder = make(name, channels=channels, height=height, width=width, timesteps=trained, pool=pool)
    level = {"black": 0.0, "white": 1.0, "grey": 0.5}.get(pixels)
    images = torch.rand(1, channels, height, width, dtype=torch.float64)
    images = images if level is None else torch.full_like(images, level)
    spikes = run(encoder, images, timesteps)
    assert spikes.shape == (timesteps, 1, 16, encoder.stem.height, encoder.stem.width)
    assert spikes.min() >= 0
    assert spikes.max() <= 1
    if encoder.traits.spiking:
        assert ((spikes == 0) | (spikes == 1)).all()
    if isinstance(encoder, FrameEncoder):
        shown = frames(encoder, images, timesteps)
        assert shown.shape == (timesteps, *images.shape)
        if name in FRAME_RANGES:
            assert set(shown.unique().tolist()) <= FRAME_RANGES[name]


@pytest.mark.parametrize("name", ["rate", "burst", "sigma_delta", "phase"])
def test_black_is_silent_and_white_is_loudest(name: str) -> None:
    black, white = torch.zeros(1, 3, 8, 8, dtype=torch.float64), torch.ones(1, 3, 8, 8, dtype=torch.float64)
    encoder = make(name)
    assert frames(encoder, black, 6).sum() == 0
    loud = frames(encoder, white, 6).sum()
    assert all(frames(encoder, torch.rand_like(white), 6).sum() <= loud for _ in range(5))


@pytest.mark.parametrize("name", takers("encoders", events=False))
def test_more_steps_than_trained_say_so(name: str) -> None:
    encoder = make(name, timesteps=4)
    assert encoder.overrun(4) == "as trained" or encoder.overrun(4).endswith("as trained")
    assert "as trained" not in encoder.overrun(7)
