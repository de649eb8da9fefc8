"""Encoders on event frames: a frame a step; and on images the same spikes as if there were no event frames."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from robustbench_snn.errors import UserError
from robustbench_snn.model.encoder import Encoder, Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.registry import encoders
from robustbench_snn.testing.models import make_task, sample_images

BOTH = [name for name in encoders if encoders.declaration(name).traits.takes == "both"]


def made(name: str, *, frames: int | None, timesteps: int = 4) -> Any:
    torch.manual_seed(0)
    encoder: Encoder = encoders.create(name, Stem(make_task(channels=2, timesteps=timesteps, frames=frames), 16))
    return encoder.eval()


@pytest.mark.parametrize("name", BOTH)
def test_the_same_frame_at_every_step_is_a_still_image(name: str) -> None:
    still, shown = made(name, frames=None), made(name, frames=6)
    shown.load_state_dict(still.state_dict())
    x = 8.0 * sample_images(make_task(channels=2), 3)
    spikes = still((x * still.std) + still.mean, 4)  # normalised it is x again, up to the last bit
    frames = x[:, None].expand(-1, 6, -1, -1, -1)
    assert spikes.any()
    assert (spikes == shown(frames, 4)).float().mean() > 0.999


def test_each_step_sees_its_own_frame() -> None:
    encoder = made("events", frames=6)
    frames = sample_images(make_task(frames=6), 3)
    spikes = encoder(frames, 4)
    reset(encoder)
    by_hand = torch.stack([encoder.neuron(encoder.drive(frames[:, t])[None])[0] for t in range(4)])
    assert torch.equal(spikes, by_hand)


def test_more_steps_than_frames_are_refused() -> None:
    encoder = made("events", frames=6)
    with pytest.raises(UserError, match="7 timesteps need as many event frames, and the samples have 6"):
        encoder(sample_images(make_task(frames=6), 1), 7)
    with pytest.raises(UserError, match="takes an event frame a step, and samples have 3"):
        make_task(timesteps=4, frames=3)


def test_an_encoder_of_images_refuses_event_frames_and_says_what_takes_them() -> None:
    wanted = "encoder 'rate' takes images, and the task has event frames; encoders that take event frames: .*events"
    with pytest.raises(UserError, match=wanted):
        made("rate", frames=4)
    with pytest.raises(UserError, match="encoder 'events' takes event frames, and the task has images"):
        made("events", frames=None)
