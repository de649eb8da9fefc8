"""Corrupted event data: cut anew, apart from its batch, saturated, and refused where it cannot be had."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from robustbench_snn.corruption.event_contract import ALL, register_event_corruption
from robustbench_snn.corruption.event_samples import CorruptedEvents, corrupt_recording
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.errors import UserError
from robustbench_snn.event.stream import By, frames_of
from robustbench_snn.registry import event_corruptions

ROWS = torch.arange(4)


def digits(by: By = "time") -> Samples:
    return load_dataset("digits_events", frames=6, by=by, limit=4).test


@pytest.mark.parametrize("by", ["time", "count"])
@pytest.mark.parametrize("name", ["drop_by_time", "time_jitter", "refractory"])
def test_frames_are_cut_of_the_corrupted_events_as_the_dataset_cuts(name: str, by: By) -> None:
    samples = digits(by)
    made = CorruptedEvents(samples, name, 4, seed=2)
    for row, frames in enumerate(made.images(ROWS)):
        events = corrupt_recording(samples.events(row), name, 4, 2, int(samples.ids[row]))
        assert torch.equal(events.t, made.events(row).t)
        assert len(events) <= len(samples.events(row))
        assert torch.equal(frames, frames_of(events, 6, by))
        assert int(frames.sum()) == len(events)


@pytest.mark.parametrize("name", ALL)
def test_a_sample_s_numbers_know_only_its_id_and_the_seed(name: str) -> None:
    samples = digits()
    whole = CorruptedEvents(samples, name, 3, seed=1).images(ROWS)
    rows = torch.tensor([3, 1])
    assert torch.equal(CorruptedEvents(samples, name, 3, seed=1).images(rows), whole[rows])
    assert torch.equal(CorruptedEvents(samples.subset(rows), name, 3, seed=1).images(torch.tensor([1])), whole[[1]])
    other = CorruptedEvents(samples, name, 3, seed=2).images(ROWS)
    assert torch.equal(other, whole) == (name == "refractory")  # the one without chance


@pytest.fixture
def registered() -> Any:
    def register(function: Any, on: Any) -> str:
        rows = ((1.0,),) * 5
        register_event_corruption("made_up", version=1, on=on, stochastic=False, severities=rows)(function)
        return "made_up"

    yield register
    event_corruptions._loaded.pop("made_up", None)


def test_counts_saturate_at_a_byte(registered: Any) -> None:
    def tenfold(frames: Tensor, random: Any, factor: float) -> Tensor:
        return frames * 100

    frames = torch.tensor([0.0, 1, 2, 3]).reshape(1, 2, 1, 2)
    found = corrupt_recording(frames, registered(tenfold, "frames"), 1)
    assert found.flatten().tolist() == [0, 100, 200, 255]
    events = digits().events(0)
    many = events.kept(torch.zeros(700, dtype=torch.int64))  # one event 700 times
    clean = EventFrames(frames_of(many, 2)[None], torch.zeros(1), stream=lambda sample: many)
    assert CorruptedEvents(clean, registered(lambda found, *_: found, "events"), 1, 0).images(ROWS[:1]).max() == 255


def test_events_are_put_in_the_order_of_time(registered: Any) -> None:
    events = digits().events(0)
    shuffled = torch.randperm(len(events), generator=torch.Generator().manual_seed(0))
    found = corrupt_recording(events, registered(lambda given, *_: given.kept(shuffled), "events"), 1)
    assert torch.equal(found.t, events.t)


def test_what_cannot_be_had_is_refused() -> None:
    samples = digits()
    frames, labels = samples.images(ROWS), samples.labels
    bare = EventFrames(frames, labels)
    with pytest.raises(UserError, match="'time_jitter' acts on raw events: these samples have no raw events"):
        CorruptedEvents(bare, "time_jitter", 1, 0)
    assert CorruptedEvents(bare, "event_drop", 1, 0).images(ROWS).shape == frames.shape
    with pytest.raises(UserError, match="'event_drop' acts on frames: there are no raw events after it"):
        CorruptedEvents(samples, "event_drop", 1, 0).events(0)
    binary = EventFrames(frames.clamp(max=1), labels, samples.ids, stream=lambda sample: samples.events(0))
    with pytest.raises(UserError, match="not 6 frames of equal time cut of theirs"):
        CorruptedEvents(binary, "time_jitter", 1, 0)
    with pytest.raises(UserError, match="takes event frames"):
        CorruptedEvents(ArraySamples(torch.zeros(1, 3, 8, 8), torch.zeros(1)), "event_drop", 1, 0)
    with pytest.raises(UserError, match=r"Unknown event_corruption 'event_dorp'. Did you mean 'event_drop'"):
        corrupt_recording(frames[0], "event_dorp", 1)
    for severity in (0, 6, True, 1.5):
        with pytest.raises(UserError, match="severity must be a whole number from 1 to 5"):
            corrupt_recording(frames[0], "event_drop", severity)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="acts on events, and was given frames"):
        corrupt_recording(frames[0], "time_jitter", 1)
    with pytest.raises(UserError, match="acts on frames, and was given events"):
        corrupt_recording(samples.events(0), "event_drop", 1)
    with pytest.raises(ValueError, match="needs 5 rows"):
        register_event_corruption("short", version=1, on="frames", stochastic=False, severities=((1.0,),))
