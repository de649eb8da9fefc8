"""Step faults on whole models."""

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
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import backbones, encoders, evaluations
from robustbench_snn.testing.models import make_task, sample_images

torch.set_num_threads(1)
TASK = make_task(channels=1, timesteps=3)


def subject(encoder: str = "direct", batch_size: int = 8, count: int = 24) -> Subject:
    torch.manual_seed(0)
    body = backbones.create("spikformer", TASK, depth=1, width=128, heads=2, pooling="0011")
    model = Classifier(encoders.create(encoder, body.stem), body, TASK.timesteps)
    target = Target(calibrate(model, lambda m: m(sample_images(TASK, 32))))
    images = sample_images(TASK, count, seed=1)
    with torch.no_grad():
        labels = target(images, SampleRandom.for_samples(0, sample_ids=range(count))).argmax(1)
    labels[::4] = 0
    return Subject(target, ArraySamples(images, labels), batch_size=batch_size)


def evaluate(of: Subject, **parameters: Any) -> Outcome:
    with of.target.frozen():
        result: Outcome = evaluations.create("step_faults", **parameters).run(of)
        return result


def test_faults_are_those_of_a_run_by_hand() -> None:
    of = subject()
    found = evaluate(of, faults=["drop", "blank", "freeze"])
    assert isinstance(of.samples, ArraySamples)
    images, labels, model = of.samples.pixels, of.samples.labels, of.target.model
    assert isinstance(model, Classifier)
    with of.target.frozen(), torch.no_grad():
        reset(model)
        spikes = model.encoder(images, 3)
        by_hand = {
            "drop_2": spikes[[0, 2]],
            "blank_3": torch.stack([spikes[0], spikes[1], 0 * spikes[2]]),
            "freeze_2": spikes[[0, 0, 2]],
        }
        for name, faulty in by_hand.items():
            reset(model)
            expected = correct(model.backbone(faulty).mean(0), labels)
            np.testing.assert_array_equal(found.columns[f"correct_{name}"], expected.float().numpy())
            assert found.details["accuracy"][name] == pytest.approx(float(expected.float().mean()))
        clean = correct(of.target(images), labels)
    np.testing.assert_array_equal(found.columns["correct_clean"], clean.float().numpy())
    assert set(found.details["accuracy"]) == {
        "drop_1", "drop_2", "drop_3", "blank_1", "blank_2", "blank_3", "freeze_2", "freeze_3",
    }  # fmt: skip


def test_accuracy_weighs_kinds_alike_and_belongs_to_its_column() -> None:
    found = evaluate(subject(), rates=[0.2, 0.9])
    kinds = ["drop", "blank", "freeze", "shuffle", "jitter", "delete"]
    assert found.metrics["accuracy"] == pytest.approx(np.mean([found.metrics[f"accuracy_{kind}"] for kind in kinds]))
    assert found.metrics["accuracy"] == pytest.approx(float(found.columns["correct"].mean()))
    rates = [found.details["accuracy"][name] for name in ("delete_0.2", "delete_0.9")]
    assert found.metrics["accuracy_delete"] == pytest.approx(np.mean(rates))
    assert found.metrics["worst_fault_accuracy"] == found.details["accuracy"][found.details["worst_fault"]]


def test_rate_nil_is_clean_and_rate_one_deletes_all() -> None:
    found = evaluate(subject(), faults=["jitter", "delete"], rates=[0.0, 1.0], draws=2)
    for kind in ("jitter", "delete"):
        np.testing.assert_array_equal(found.columns[f"correct_{kind}_0"], found.columns["correct_clean"])
    assert found.details["accuracy"]["delete_1"] < found.metrics["clean_accuracy"]


@pytest.mark.parametrize("encoder", ["direct", "rate", "imp"])
def test_numbers_do_not_depend_on_the_batch(encoder: str) -> None:
    small, large = (evaluate(subject(encoder, batch_size=size), rates=[0.2], draws=2) for size in (5, 16))
    assert small.metrics == large.metrics
    for name, column in small.columns.items():
        np.testing.assert_array_equal(column, large.columns[name])


def test_bad_parameters_get_a_message() -> None:
    with pytest.raises(UserError, match="no step 4"):
        evaluate(subject(), steps=[4])
    with pytest.raises(UserError, match="applies to a run of 3 steps"):
        evaluate(subject(), faults=["freeze"], steps=[1])
    with pytest.raises(UserError, match="rates"):
        evaluations.create("step_faults", rates=[1.5])
    with pytest.raises(UserError, match="faults"):
        evaluations.create("step_faults", faults=["melt"])
