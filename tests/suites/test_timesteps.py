"""The timestep sweep: one pass against separate runs, against the clean evaluation, and its sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.parameters import Readout
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import backbones, encoders, evaluations
from robustbench_snn.testing.models import make_task, sample_images
from robustbench_snn.timesteps.sweep import plan_sweep, separate_runs

torch.set_num_threads(1)
TASK = make_task(channels=1, timesteps=3)
SPIKFORMER = {"depth": 1, "width": 128, "heads": 2, "pooling": "0011"}


def make(
    encoder: str = "direct", backbone: str = "spikformer", readout: Readout | None = None, **parameters: Any
) -> Target:
    torch.manual_seed(0)
    body = backbones.create(backbone, TASK, **SPIKFORMER)
    model = Classifier(encoders.create(encoder, body.stem, **parameters), body, TASK.timesteps, readout)
    return Target(calibrate(model, lambda m: m(sample_images(TASK, 32))))


def subject(target: Target, count: int = 27, batch_size: int = 8, **options: Any) -> Subject:
    images = sample_images(TASK, count, seed=1)
    with torch.no_grad():  # labels that the model often gets right
        labels = target(images, SampleRandom.for_samples(0, sample_ids=range(count))).argmax(1)
    labels[::3] = 0
    return Subject(
        target, ArraySamples(images, labels, torch.arange(100, 100 + count)), batch_size=batch_size, **options
    )


def evaluate(of: Subject, **parameters: Any) -> Outcome:
    with of.target.frozen():
        result: Outcome = evaluations.create("timesteps", **parameters).run(of)
        return result


@pytest.mark.parametrize("encoder", ["direct", "rate", "stf", "stf1", "phase", "fe"])
@pytest.mark.parametrize("readout", ["mean", "last"])
def test_one_pass_equals_separate_runs(encoder: str, readout: Readout) -> None:
    target = make(encoder, readout=readout)
    images = sample_images(TASK, 16, seed=2)
    streams = subject(target, 16).samples
    random = next(streams.batches(16)).random("here")
    steps = range(1, 2 * TASK.timesteps + 1)
    with target.frozen(), torch.no_grad():
        sweep = plan_sweep(target, steps, images[:8], random[slice(8)])
        assert sweep.way == "one pass", sweep.reason
        together, apart = sweep.logits(target, images, random), separate_runs(target, steps, images, random)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)
    assert torch.equal(together.argmax(2), apart.argmax(2))
    assert not torch.equal(apart[0], apart[-1])  # T matters, or the comparison says nothing


@pytest.mark.parametrize(
    ("encoder", "backbone", "reason"),
    [
        ("burst", "spikformer", "encoder's steps depend on T"),
        ("gac", "spikformer", "encoder's steps depend on T"),
        ("direct", "tdformer", "cuts its run into segments"),
    ],
)
def test_models_whose_prefixes_differ_run_separately(encoder: str, backbone: str, reason: str) -> None:
    target = make(encoder, backbone)
    outcome = evaluate(subject(target))
    assert outcome.details["way"] == "separate runs"
    assert reason in outcome.details["reason"]


def test_interpolated_embedding_runs_separately_and_says_what_it_did() -> None:
    outcome = evaluate(subject(make("stf", overrun="interpolate")))
    assert outcome.details["way"] == "separate runs"
    assert outcome.details["overrun"]["6"] == "interpolate beyond 3"
    held = evaluate(subject(make("stf")))
    assert held.details["way"] == "one pass"
    assert held.details["overrun"] == {
        "1": "first 1 of 3 maps", "2": "first 2 of 3 maps", "3": "as trained",
        "4": "hold beyond 3", "5": "hold beyond 3", "6": "hold beyond 3",
    }  # fmt: skip


def test_false_claim_of_causality_is_found_out() -> None:
    target = make("burst")
    encoder: Any = target.model.encoder
    encoder.declare(causal=True)
    outcome = evaluate(subject(target))
    assert outcome.details["way"] == "separate runs"
    assert "prefixes differ by" in outcome.details["reason"]


def test_embedding_that_refuses_more_steps() -> None:
    with pytest.raises(UserError, match="trained for 3 timesteps and cannot serve 6"):
        evaluate(subject(make("stf", overrun="refuse")))
    assert evaluate(subject(make("stf", overrun="refuse")), timesteps=[1, 2]).details["timesteps"] == [1, 2, 3]


def test_foreign_model_is_refused() -> None:
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(UserError, match="was not built from an encoder and a backbone"):
        evaluate(subject(Target(linear)))


def test_columns_and_metrics_hang_together() -> None:
    of = subject(make("stf"))
    outcome = evaluate(of)
    assert isinstance(of.samples, ArraySamples)
    images, labels = of.samples.pixels, of.samples.labels
    accuracies = []
    for steps in range(1, 7):
        with of.target.frozen(), torch.no_grad():
            expected = correct(of.target(images, timesteps=steps), labels).numpy()
        np.testing.assert_array_equal(outcome.columns[f"correct_T{steps}"], expected)
        assert outcome.metrics[f"accuracy_T{steps}"] == pytest.approx(expected.mean())
        accuracies.append(expected.mean())
    np.testing.assert_array_equal(outcome.columns["correct"], outcome.columns["correct_T3"])
    assert outcome.columns["correct"].dtype == np.bool_
    assert outcome.metrics["accuracy"] == pytest.approx(accuracies[2])
    assert outcome.metrics["drop_to_T1"] == pytest.approx(accuracies[2] - accuracies[0])
    assert outcome.metrics["area"] == pytest.approx((sum(accuracies) - (accuracies[0] + accuracies[-1]) / 2) / 5)


@pytest.mark.parametrize("encoder", ["direct", "rate", "burst"])
def test_numbers_do_not_depend_on_the_batch(encoder: str) -> None:
    target = make(encoder)
    small, large = (evaluate(subject(target, batch_size=size), draws=3) for size in (5, 16))
    assert small.metrics == large.metrics
    for name, column in small.columns.items():
        np.testing.assert_array_equal(column, large.columns[name])


@pytest.mark.parametrize("encoder", ["direct", "rate"])
def test_accuracy_is_that_of_the_clean_evaluation(encoder: str) -> None:
    of = subject(make(encoder))
    with of.target.frozen():
        clean = evaluations.create("clean", draws=4).run(of)
    swept = evaluate(of, draws=4)
    assert swept.metrics["accuracy"] == pytest.approx(clean.metrics["accuracy"])
    np.testing.assert_allclose(swept.columns["correct"], clean.columns["correct"])


def test_conditions_are_told_apart() -> None:
    target = make()
    conditions = [
        "clean",
        {"corruption": "gaussian_noise", "severity": 5},
        {"attack": "fgsm", "eps": "16/255"},
        {"attack": "fgsm", "eps": "16/255", "made_at": "each"},
        {"corruption": "gaussian_noise", "severity": 5, "attack": "fgsm", "eps": "16/255"},
    ]
    outcome = evaluate(subject(target), timesteps=[1, 3], conditions=conditions)
    assert outcome.metrics["accuracy"] == evaluate(subject(target), timesteps=[1, 3]).metrics["accuracy"]
    names = list(outcome.details["conditions"])
    assert names == [
        "clean", "gaussian_noise_5", "fgsm_16/255", "fgsm_16/255_each_T", "gaussian_noise_5+fgsm_16/255",
    ]  # fmt: skip
    with target.frozen():
        attacked = evaluations.create("fgsm", eps="16/255").run(subject(target))
    once, each = (outcome.metrics[f"{name}/accuracy"] for name in names[2:4])
    assert once == each == attacked.metrics["accuracy"] < outcome.metrics["accuracy"]
    np.testing.assert_array_equal(outcome.columns["correct_fgsm_16/255"], attacked.columns["correct"])
    # images made against the run of one step are the worse ones for it
    at_one = {name: outcome.metrics[f"{name}/accuracy_T1"] for name in names[2:4]}
    assert at_one[names[3]] <= at_one[names[2]]
    assert outcome.details["conditions"][names[2]]["made_at"] == "trained"


def test_conditions_do_not_depend_on_the_batch() -> None:
    target = make()
    conditions = [{"corruption": "gaussian_noise", "severity": 3, "attack": "pgd", "eps": 0.05}]
    small, large = (
        evaluate(subject(target, batch_size=size), timesteps=[1, 3], conditions=conditions) for size in (2, 16)
    )
    for name, column in small.columns.items():
        np.testing.assert_array_equal(column, large.columns[name])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"timesteps": []}, "at least 1 item"),
        ({"timesteps": [0]}, "greater than or equal to 1"),
        ({"conditions": [{"corruption": "fog"}]}, "needs a severity"),
        ({"conditions": [{"corruption": "fogg", "severity": 1}]}, "Did you mean 'fog'"),
        ({"conditions": [{"attack": "pgd"}]}, "needs an eps"),
        ({"conditions": [{"attack": "pgdd", "eps": 0.1}]}, "Did you mean 'pgd'"),
        ({"conditions": [{"attack": {"pgd": {"stepz": 1}}, "eps": 0.1}]}, "stepz"),
        ({"conditions": ["clean", "clean"]}, "twice"),
    ],
)
def test_bad_parameters_get_a_message(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises((UserError, ValueError), match=message):
        evaluations.create("timesteps", **parameters)


@pytest.mark.parametrize("encoder", ["direct", "burst"])
def test_corruptions_crossed_with_timesteps(encoder: str) -> None:
    of = subject(make(encoder))
    with of.target.frozen():
        crossed = evaluations.create("corruptions", types=["contrast"], severities=[1, 4], timesteps=[1, 2]).run(of)
        plain = evaluations.create("corruptions", types=["contrast"], severities=[1, 4]).run(of)
        alone = evaluations.create(
            "timesteps", timesteps=[1, 2], conditions=[{"corruption": "contrast", "severity": 4}]
        ).run(of)
    assert crossed.metrics["accuracy"] == plain.metrics["accuracy"]
    assert crossed.details["timesteps"] == [1, 2, 3]
    assert crossed.details["by_timesteps"]["contrast"]["4"] == alone.details["conditions"]["contrast_4"]["accuracies"]
    assert crossed.details["overrun"] == {t: alone.details["overrun"][t] for t in crossed.details["overrun"]} != {}


def test_accuracy_repeats_clean_only_where_the_first_condition_is_clean() -> None:
    found = evaluations.get("timesteps")
    fog = {"corruption": "fog", "severity": 1}
    assert found.implementation.repeats(found.validate({})) == "clean"
    assert found.implementation.repeats(found.validate({"conditions": ["clean", fog]})) == "clean"
    assert found.implementation.repeats(found.validate({"conditions": [fog]})) is None
