"""The profile of a whole model against the model's own tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.registry import backbones, encoders, evaluations
from robustbench_snn.spikes.words import global_word_entropy, word_entropy, word_histogram
from robustbench_snn.testing.models import make_task, sample_images

torch.set_num_threads(1)
TASK = make_task(channels=1, timesteps=3)


def make(encoder: str = "stf", backbone: str = "spikformer") -> Target:
    torch.manual_seed(0)
    body = backbones.create(backbone, TASK, depth=1, width=128, heads=2, pooling="0011")
    model = Classifier(encoders.create(encoder, body.stem), body, TASK.timesteps)
    return Target(calibrate(model, lambda m: m(sample_images(TASK, 32))))


def profile(target: Target, batch_size: int = 8, count: int = 27, **parameters):
    images = sample_images(TASK, count, seed=1)
    subject = Subject(target, ArraySamples(images, torch.zeros(count, dtype=torch.int64)), batch_size=batch_size)
    return evaluations.create("profile", **parameters).run(subject)


MEASURED = {"images_per_second", "peak_memory_mb"}


def test_numbers_are_those_of_the_tensors():
    target = make()
    found = profile(target, count_images=2)
    with torch.no_grad():
        target.model.eval()
        target(sample_images(TASK, 27, seed=1))
        spikes = None

        def keep(module, inputs, output):
            nonlocal spikes
            spikes = output

        handle = target.model.encoder.register_forward_hook(keep)
        target(sample_images(TASK, 27, seed=1))
        handle.remove()
    spikes = spikes[:, :27]
    assert found.metrics["encoder_firing_rate"] == pytest.approx(float(spikes.double().mean()))
    assert found.metrics["diversity"] == pytest.approx(global_word_entropy(spikes))
    assert found.metrics["diversity_per_image"] == pytest.approx(float(word_entropy(word_histogram(spikes)).mean()))
    assert found.metrics["parameters"] == sum(p.numel() for p in target.model.parameters())
    first = found.details["layers"][0]
    assert first["name"] == "encoder.neuron"
    assert first["firing_rate"] == pytest.approx(found.metrics["encoder_firing_rate"])
    assert first["silent"] == pytest.approx(float((spikes.sum((0, 1)) == 0).double().mean()))
    assert found.columns["diversity"].shape == (27,)
    assert "accuracy" not in found.metrics
    assert found.metrics["images_per_second"] > 0


def test_first_layer_is_the_only_real_valued_one_until_tokens_add_up():
    found = profile(make("direct"), count_images=1).details["operations"]
    assert found["mac"] >= 8 * 8 * 16 * 9  # the first convolution, once for all steps
    assert found["formula_macs"] == 8 * 8 * 16 * 9 + 3 * 128 * 10  # and the head, on the mean of the tokens


@pytest.mark.parametrize("encoder", ["stf", "rate"])
def test_numbers_do_not_depend_on_the_batch(encoder):
    target = make(encoder)
    conditions = [{"corruption": "gaussian_noise", "severity": 5}]
    small, large = (profile(target, size, conditions=conditions) for size in (5, 16))
    assert {k: v for k, v in small.metrics.items() if k not in MEASURED} == {
        k: v for k, v in large.metrics.items() if k not in MEASURED
    }
    assert small.details == large.details
    np.testing.assert_array_equal(small.columns["diversity"], large.columns["diversity"])


def test_distance_grows_with_the_corruption_and_is_nil_without():
    target = make("direct")
    conditions = ["clean", *({"corruption": "gaussian_noise", "severity": severity} for severity in (1, 5))]
    distance = profile(target, conditions=conditions).details["distance"]
    layers = {
        name: {layer: sum(steps) for layer, steps in found["distance"].items()} for name, found in distance.items()
    }
    assert set(layers["clean"].values()) == {0.0}
    mild, strong = layers["gaussian_noise_1"], layers["gaussian_noise_5"]
    assert all(0 < mild[layer] < strong[layer] for layer in list(mild)[:4])
    assert all(len(steps) == 3 for steps in distance["gaussian_noise_5"]["distance"].values())


def test_adversarial_images_are_compared_too():
    found = profile(make("direct"), conditions=[{"attack": "fgsm", "eps": 0.1}], batch_size=4)
    first = found.details["distance"]["fgsm_0.1"]["distance"]["encoder.neuron"]
    assert all(0 <= step <= 1 for step in first)


def test_ann_twin_has_costs_but_no_spikes():
    found = profile(make("direct", "spikformer_ann"), conditions=["clean"])
    assert "firing_rate" not in found.metrics
    assert "distance" not in found.details
    assert found.metrics["synops"] == 0
    assert found.metrics["mac"] > 0


def test_feedback_in_segments_is_seen_whole():
    found = profile(make("direct", "tdformer"), conditions=["clean"])
    distance = found.details["distance"]["clean"]["distance"]
    baseline = {name: steps for name, steps in distance.items() if name.startswith("backbone.base.")}
    assert len(baseline) > 5
    assert all(steps == [0.0] * 3 for steps in baseline.values())
