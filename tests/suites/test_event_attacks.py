"""The two tracks of attacks on event frames, as evaluations and through a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import Cascade
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.event_frames import EventFrames
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.model.target import Target
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry import evaluations
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.suites.attacks.pgd import PGD
from robustbench_snn.testing.models import make_task
from robustbench_snn.testing.subject import samples_for, small_target
from tests.attack_models import Linear
from tests.tiny_suite import TINY


@pytest.fixture(scope="module")
def target() -> Target:
    return small_target(make_task(timesteps=3, frames=4))


def run(name: str, target: Target, count: int = 16, **parameters: Any) -> Outcome:
    with target.frozen():
        outcome: Outcome = evaluations.create(name, **parameters).run(
            Subject(target, samples_for(target, count, wrong=4), batch_size=8)
        )
    return outcome


def test_the_curve_is_read_off_the_fewest_changes(target: Target) -> None:
    outcome = run("event_l0", target, budgets=[50, 1, 2, 5])
    changes = outcome.columns["changes"]
    assert (changes[:4] == 0).all()
    assert (changes[4:] > 0).all()
    for budget in (1, 2, 5, 50):
        assert outcome.metrics[f"accuracy_at_{budget}"] == np.mean(changes > budget)
        assert outcome.columns[f"correct_at_{budget}"].tolist() == (changes > budget).tolist()
    found = changes[4:][np.isfinite(changes[4:])]
    assert outcome.metrics["share_fooled"] == len(found) / 12
    assert outcome.metrics["median_changes"] == np.median(found)
    assert outcome.metrics["mean_queries"] == outcome.columns["queries"][4:].mean()
    assert not outcome.columns["queries"][:4].any()
    assert outcome.details["changes"] == [0, 1, 2, 5, 50]
    heights = outcome.details["accuracies"]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] == outcome.metrics["clean_accuracy"] == 0.75


def test_frames_are_kept_of_the_first_samples(target: Target) -> None:
    """Those that the model is wrong about anyway, and those that nothing fools, as they are."""
    outcome = run("event_l0", target, budgets=[2, 5], keep_images=6)
    clean, adversarial = (torch.from_numpy(outcome.arrays[name]) for name in ("clean", "adversarial"))
    assert torch.equal(clean, samples_for(target, 16, wrong=4).images(torch.arange(6)))
    changed = (adversarial - clean).abs().flatten(1).sum(1)
    claimed = torch.from_numpy(outcome.columns["changes"][:6])
    assert torch.equal(changed[:4], torch.zeros(4))
    assert torch.equal(changed[claimed.isfinite()].double(), claimed[claimed.isfinite()])
    assert not run("event_l0", target, budgets=[2, 5]).arrays


def test_binary_frames_have_a_clean_accuracy_of_their_own(target: Target) -> None:
    samples = samples_for(target, 16, wrong=4)
    outcome = run("event_l0", target, values="binary", attack="random")
    with torch.no_grad():
        right = correct(target((samples.images(torch.arange(16)) > 0).float()), samples.labels)
    assert outcome.columns["correct_clean"].tolist() == right.tolist()
    assert outcome.metrics["clean_binary_accuracy"] == outcome.metrics["clean_accuracy"] == float(right.double().mean())


def test_relaxed_frames_stay_in_their_ball_and_are_called_relaxed(target: Target) -> None:
    samples = samples_for(target, 16, wrong=4)
    outcome = run("event_linf", target, eps=1.5)
    assert outcome.details["threat_model"].startswith("relaxed")
    assert outcome.metrics["relaxed_accuracy"] == outcome.metrics["accuracy"] < outcome.metrics["clean_accuracy"]
    with target.frozen():
        cascade = Cascade(Subject(target, samples, batch_size=8), Ball(1.5, most=255.0), keep_images=16)
        cascade.attack(stage("event_linf", PGD()))
    assert cascade.robust_accuracy == outcome.metrics["accuracy"]
    adversarial = torch.stack(list(cascade.images.values()))
    clean = samples.images(torch.tensor(list(cascade.images)))
    assert (adversarial - clean).abs().amax() <= 1.5 + 1e-5
    assert adversarial.amin() >= 0.0
    assert adversarial.amax() > 1.5, "counts are no pixels: nothing is cut off at 1"
    assert not torch.equal(adversarial, adversarial.round())


def test_what_single_precision_rounds_at_large_counts_lies_in_the_ball() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(120, 140, (32, 2, 2, 3, 3), generator=generator).float()
    ball = Ball(0.3, most=255.0)
    signs = torch.randn(frames.shape, generator=generator).sign()
    assert ball.contains(ball.project(frames + signs, frames), frames).all()
    assert not ball.contains(frames + 0.301 * signs, frames).any()
    model = Linear(36, classes=2)
    weight = model.weight[1] - model.weight[0]
    with torch.no_grad():
        model.bias.copy_(-129.5 * model.weight.sum(1))
        logits = model(frames)
    exact = (logits[:, 1] - logits[:, 0]).abs() > 0.3 * weight.abs().sum()
    outcome = evaluations.create("event_linf", eps=0.3, loss="margin").run(
        Subject(Target(model), EventFrames(frames, logits.argmax(1)), batch_size=8)
    )
    assert 0 < int(exact.sum()) < 32
    assert outcome.columns["correct"].tolist() == exact.tolist()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("event_l0", {"budgets": []}),
        ("event_l0", {"budgets": [0]}),
        ("event_l0", {"attack": "pgd"}),
        ("event_l0", {"values": "real"}),
        ("event_l0", {"estimator": "none_of_these"}),
        ("event_linf", {"eps": 0.0}),
        ("event_linf", {"eps": "8/255"}),
        ("event_linf", {"eps": []}),
        ("event_linf", {"eps": 1.0, "norm": "l2"}),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=list(parameters)[-1]):
        evaluations.create(name, **parameters)


def test_a_suite_ends_in_a_table(tmp_path: Path) -> None:
    written = TINY | {
        "dataset": {"name": "digits_events", "frames": 2, "limit": 8, "train_limit": 32},
        "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "1110"}},
        "models": [{"name": "frames", "encoder": "events"}],
        "evaluations": [
            "clean",
            {"event_l0": {"label": "sda", "budgets": [2, 10], "steps": 3, "limit": 4}},
            {"event_linf": {"label": "linf", "eps": [0.5, 1.0], "steps": 2}},
        ],
    }
    spec = parse_suite(written, "suite.yaml")
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    assert [cell.detail for cell in plan.evaluate] == ["", "", "0.5", "1.0"], "one event is no 255/255 of anything"
    released = run_plan(plan, tmp_path / "runs", tmp_path / "results", RunSettings(), mode="draft").released
    (row,) = released.table.rows
    folder = next((tmp_path / "runs" / "drafts").rglob("samples.parquet")).parent
    outcomes = read_outcomes(folder / "samples.parquet")
    assert row.cells["sda"].accuracy == pytest.approx(outcomes.of(("frames", "sda")).mean())
    assert "frames are no events" in (folder / "leaderboard.md").read_text()
    assert {"accuracy_at_2", "accuracy_at_10", "clean_accuracy"} <= set(row.cells["sda"].metrics)
