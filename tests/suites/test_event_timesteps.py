"""Sweeps over T on event frames: prefixes and frames made anew, against runs made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.event.stream import frames_of
from robustbench_snn.model.target import Target
from robustbench_snn.registry import evaluations
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.subject import samples_for, small_target


@pytest.fixture(scope="module")
def target() -> Target:
    return small_target(make_task(height=16, width=16, timesteps=4, frames=6))


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_dataset("digits_events", frames=6, limit=12).test


def sweep(target: Target, samples: Samples, **parameters: object) -> Outcome:
    outcome: Outcome = evaluations.create("event_timesteps", **parameters).run(Subject(target, samples, batch_size=8))
    return outcome


def right(target: Target, frames: torch.Tensor, timesteps: int, labels: torch.Tensor) -> list[bool]:
    with torch.no_grad():
        answers: list[bool] = (target(frames, timesteps=timesteps).argmax(1) == labels).tolist()
    return answers


def test_a_prefix_is_a_run_on_the_first_frames(target: Target) -> None:
    samples = samples_for(target, 12, wrong=3)
    outcome = sweep(target, samples)
    assert outcome.details["timesteps"] == [1, 2, 3, 4, 5, 6]
    frames = samples.images(torch.arange(12))
    for steps in range(1, 7):
        wanted = right(target, frames[:, :steps], steps, samples.labels)
        assert outcome.columns[f"correct_T{steps}"].tolist() == wanted
    assert outcome.metrics["accuracy"] == outcome.metrics["accuracy_T4"] == 0.75
    assert outcome.details["ways"]["2"].startswith("the first 2 of 6 frames, one pass")


def test_frames_made_anew_are_added_up_or_cut_from_events(target: Target, samples: Samples) -> None:
    outcome = sweep(target, samples, how="rebin", timesteps=[1, 3, 5, 9])
    rows = range(len(samples))
    for steps in (1, 3):
        frames = samples.images(torch.arange(12)).unflatten(1, (steps, 6 // steps)).sum(2)
        assert outcome.columns[f"correct_T{steps}"].tolist() == right(target, frames, steps, samples.labels)
    for steps in (4, 5, 9):
        frames = torch.stack([frames_of(samples.events(row), steps) for row in rows])
        assert outcome.columns[f"correct_T{steps}"].tolist() == right(target, frames, steps, samples.labels)
    assert outcome.details["ways"] == {
        "1": "6 frames added up",
        "3": "2 frames added up",
        "4": "cut anew from events",
        "5": "cut anew from events",
        "9": "cut anew from events",
    }
    assert np.mean(outcome.columns["correct"]) == outcome.metrics["accuracy"] == outcome.metrics["accuracy_T4"]


def test_what_cannot_be_shown_is_refused(target: Target, samples: Samples) -> None:
    with pytest.raises(UserError, match="no prefix of 7 steps: recordings have 6 frames"):
        sweep(target, samples, timesteps=[7])
    frames = EventFrames(samples.images(torch.arange(12)), samples.labels)
    with pytest.raises(UserError, match="no raw events"):
        sweep(target, frames, how="rebin", timesteps=[4])
