"""The evaluation under corruptions of event data: cells, scores, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.corruption.event_contract import ALL, ON_FRAMES
from robustbench_snn.corruption.event_samples import CorruptedEvents
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.target import Target
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry import evaluations, event_corruptions
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.subject import small_target

COUNT = 12
TYPES = ["event_drop", "time_jitter", "occlusion"]
SUITE = {"name": "t", "models": [{"name": "a", "encoder": "events"}], "timesteps": 4}
EVENTS = {"name": "digits_events", "limit": 4, "frames": 6}


@pytest.fixture(scope="module")
def target() -> Target:
    return small_target(make_task(height=16, width=16, timesteps=4, frames=6))


@pytest.fixture(scope="module")
def samples(target: Target) -> Samples:
    """Simulated digits, labelled by what the model says of them, but for three."""
    found = load_dataset("digits_events", frames=6, limit=COUNT).test
    with torch.no_grad():
        found.labels = target(found.images(torch.arange(COUNT))).argmax(1)
    found.labels[::4] = (found.labels[::4] + 1) % 10
    return found


def evaluate(target: Target, samples: Samples, batch_size: int = 8, **parameters: Any) -> Outcome:
    with target.frozen():
        result: Outcome = evaluations.create("event_corruptions", **parameters).run(
            Subject(target, samples, 3, batch_size)
        )
        return result


def combined(cells: list[Outcome]) -> Mapping[str, float]:
    parts = [SimpleNamespace(metrics=cell.metrics, details=cell.details) for cell in cells]
    found: Mapping[str, float] = evaluations.get("event_corruptions").implementation.combine(parts)  # type: ignore[arg-type]
    return found


def test_shares_are_those_of_a_loop_by_hand(target: Target, samples: Samples) -> None:
    outcome = evaluate(target, samples, types=TYPES, severities=[1, 5])
    hits = {}
    for name in TYPES:
        for severity in (1, 5):
            frames = CorruptedEvents(samples, name, severity, 3).images(torch.arange(COUNT))
            with torch.no_grad():
                hits[name, severity] = correct(target(frames), samples.labels).double().numpy()
            assert outcome.details["accuracy"][name][str(severity)] == pytest.approx(hits[name, severity].mean())
    np.testing.assert_allclose(outcome.columns["correct"], np.mean(list(hits.values()), axis=0), atol=1e-6)
    by_five = np.mean([hits[name, 5] for name in TYPES], axis=0)
    np.testing.assert_allclose(outcome.columns["correct_s5"], by_five, atol=1e-6)
    means = {name: (hits[name, 1].mean() + hits[name, 5].mean()) / 2 for name in TYPES}
    assert outcome.metrics["accuracy"] == pytest.approx(np.mean(list(means.values())))
    assert outcome.metrics["worst_type_accuracy"] == pytest.approx(min(means.values()))
    assert outcome.details["worst_type"] == min(sorted(means), key=lambda name: means[name])
    assert outcome.metrics["clean_accuracy"] == 0.75
    assert outcome.metrics["rpc"] == pytest.approx(outcome.metrics["accuracy"] / 0.75)
    assert outcome.details["on"] == {"event_drop": "frames", "time_jitter": "events", "occlusion": "events"}
    assert min(means.values()) < 0.75  # something is corrupted


def test_cells_are_one_a_type_and_combine_to_one_run(target: Target, samples: Samples) -> None:
    found = evaluations.get("event_corruptions")
    parts = found.implementation.split(found.validate({}))
    assert [part["types"] for part in parts] == [[name] for name in ALL]
    assert [part["clean"] for part in parts] == [True] + [False] * 12
    cut = found.implementation.split(found.validate({"types": TYPES, "severities": [2, 4]}))
    together = evaluate(target, samples, types=TYPES, severities=[2, 4])
    assert combined([evaluate(target, samples, **part) for part in cut]) == pytest.approx(together.metrics)


def test_numbers_do_not_depend_on_the_batch(target: Target, samples: Samples) -> None:
    small, large = (evaluate(target, samples, size, types=TYPES, severities=[3]) for size in (3, 16))
    assert small.metrics == large.metrics
    np.testing.assert_array_equal(small.columns["correct"], large.columns["correct"])


def test_frames_without_raw_events_have_the_types_of_frames(target: Target, samples: Samples) -> None:
    bare = EventFrames(samples.images(torch.arange(COUNT)), samples.labels, samples.ids)
    outcome = evaluate(target, bare, types="frames", severities=[3])
    assert list(outcome.details["accuracy"]) == list(ON_FRAMES)
    same = evaluate(target, samples, types="frames", severities=[3])
    assert outcome.metrics == same.metrics
    seen = []
    subject = Subject(target, bare, progress=lambda done, total: seen.append(done))
    with pytest.raises(UserError, match=r"'time_jitter' acts on raw events.*types: frames are those"):
        evaluations.create("event_corruptions", types=["event_drop", "time_jitter"]).run(subject)
    assert seen == []  # refused before anything is computed


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"types": ["fog"]}, "Unknown event_corruption 'fog'"),
        ({"types": []}, "at least 1 item"),
        ({"severities": [6]}, "less than or equal to 5"),
        ({"severities": []}, "at least 1 item"),
    ],
)
def test_bad_parameters_get_a_message(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluations.create("event_corruptions", **parameters)


def test_images_and_event_data_have_corruptions_of_their_own() -> None:
    wrong = {**SUITE, "dataset": "digits", "models": [{"name": "a", "encoder": "direct"}]}
    with pytest.raises(UserError, match="'event_corruptions' takes event frames, and digits has images"):
        parse_suite({**wrong, "evaluations": ["event_corruptions"]})
    with pytest.raises(UserError, match=r"takes images, and digits_events has event frames.*event_corruptions"):
        parse_suite({**SUITE, "dataset": EVENTS, "evaluations": ["corruptions"]})


def test_a_cell_s_key_holds_the_version_of_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = parse_suite({**SUITE, "dataset": EVENTS, "evaluations": [{"event_corruptions": {"types": TYPES}}]})
    dataset = load_dataset("digits_events", limit=4, frames=6)

    def keys() -> list[str]:
        plan = make_plan(suite, dataset)
        assert [cell.detail for cell in plan.evaluate] == TYPES
        return [key_of(cell, {cell.train.peer_name: "w"}) for cell in plan.evaluate]

    before, real = keys(), event_corruptions.get
    drop = real("event_drop")
    newer = replace(drop, declaration=replace(drop.declaration, version=99))
    monkeypatch.setattr(event_corruptions, "get", lambda name: newer if name == "event_drop" else real(name))
    assert [a == b for a, b in zip(before, keys(), strict=True)] == [False, True, True]
