"""Frames of recordings, against SpikingJelly's integration and by properties of their sums."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spikingjelly.datasets import integrate_events_by_fixed_frames_number

from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.event.stream import Events, frames_of, merged

HEIGHT, WIDTH = 5, 7


def recording(count: int, seed: int, length: int = 10_000) -> Events:
    random = np.random.default_rng(seed)
    return Events(
        torch.from_numpy(np.sort(random.integers(0, length, count))),
        torch.from_numpy(random.integers(0, WIDTH, count).astype(np.int16)),
        torch.from_numpy(random.integers(0, HEIGHT, count).astype(np.int16)),
        torch.from_numpy(random.integers(0, 2, count).astype(np.int8)),
        HEIGHT,
        WIDTH,
    )


@pytest.mark.parametrize(("by", "split_by"), [("time", "time"), ("count", "number")])
@pytest.mark.parametrize("frames", [1, 3, 8])
def test_frames_are_those_of_spikingjelly(by: Literal["time", "count"], split_by: str, frames: int) -> None:
    for seed in range(5):
        events = recording(403 + seed, seed)
        columns = {name: getattr(events, name).numpy() for name in "txyp"}
        theirs = integrate_events_by_fixed_frames_number(columns, split_by, frames, HEIGHT, WIDTH)
        ours = frames_of(events, frames, by)
        assert ours.dtype == torch.float32
        assert np.array_equal(ours.numpy(), theirs)


def test_recordings_that_spikingjelly_cannot_cut() -> None:
    """No events, fewer than frames, all at one time, and a pause longer than a frame."""
    none = recording(0, 0)
    assert frames_of(none, 4).shape == (4, 2, HEIGHT, WIDTH)
    assert frames_of(none, 4).sum() == 0
    few = recording(3, 0)
    assert frames_of(few, 4, "count").sum((1, 2, 3)).tolist() == [0, 0, 0, 3]
    at_once = recording(5, 0, length=1)
    assert frames_of(at_once, 4, "time").sum((1, 2, 3)).tolist() == [0, 0, 0, 5]
    column = torch.zeros(4, dtype=torch.int16)
    paused = Events(torch.tensor([0, 1, 90, 100]), column, column, column.to(torch.int8), HEIGHT, WIDTH)
    assert frames_of(paused, 4, "time").sum((1, 2, 3)).tolist() == [2, 0, 0, 2]
    with pytest.raises(UserError, match="1 frame or more"):
        frames_of(few, 0)


@given(st.integers(0, 60), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_adding_neighbours_is_cutting_from_events_where_frames_are_equal(
    each: int, timesteps: int, neighbours: int, seed: int
) -> None:
    frames = timesteps * neighbours
    events = recording(each * frames, seed)  # F divides the number of events
    assert torch.equal(merged(frames_of(events, frames, "count"), timesteps), frames_of(events, timesteps, "count"))
    if len(events):  # F divides the time between the first event and the last
        since = int(events.t[0])
        timed = Events(
            torch.cat([events.t[:-1], torch.tensor([since + 10_008 * frames])]),
            events.x,
            events.y,
            events.p,
            HEIGHT,
            WIDTH,
        )
        assert torch.equal(merged(frames_of(timed, frames), timesteps), frames_of(timed, timesteps))


@given(st.integers(0, 200), st.sampled_from([1, 2, 4, 8]), st.integers(0, 99))
def test_adding_neighbours_keeps_every_event(count: int, timesteps: int, seed: int) -> None:
    frames = frames_of(recording(count, seed), 8)
    added = merged(frames, timesteps)
    assert added.shape[0] == timesteps
    assert torch.equal(added.sum(0), frames.sum(0))
    assert torch.equal(merged(frames[None], timesteps)[0], added)


def test_frames_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(UserError, match="8 frames cannot be added up to 3"):
        merged(torch.zeros(8, 2, 4, 4), 3)


def test_event_frames_keep_bytes_and_their_recordings() -> None:
    recordings = {10: recording(50, 0), 20: recording(60, 1), 30: recording(70, 2)}
    counts = torch.stack([frames_of(events, 4) for events in recordings.values()])
    counts[0, 0, 0, 0, 0] = 300
    samples = EventFrames(counts, torch.tensor([0, 1, 0]), torch.tensor([10, 20, 30]), stream=recordings.__getitem__)
    assert samples.counts.dtype == torch.uint8
    assert float(samples.images(torch.tensor([0]))[0, 0, 0, 0, 0]) == 255
    part = samples.subset(torch.tensor([2, 1]))
    assert torch.equal(part.images(torch.tensor([0])), counts[2:])
    assert part.events(0) is recordings[30]
    with pytest.raises(UserError, match="no raw events"):
        EventFrames(counts, torch.tensor([0, 1, 0])).events(0)
    with pytest.raises(UserError, match="no raw events"):
        ArraySamples(torch.zeros(1, 1, 2, 2), torch.zeros(1)).events(0)
