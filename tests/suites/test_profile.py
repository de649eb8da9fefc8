"""The profile of a whole model against the model's own tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.api import Result
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.flags import explain
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.registry import backbones, encoders, evaluations
from robustbench_snn.spikes.words import global_word_entropy, word_entropy, word_histogram
from robustbench_snn.testing.models import make_task, sample_images

torch.set_num_threads(1)
TASK = make_task(channels=1, timesteps=3)


SHAPE = {"depth": 1, "width": 128, "heads": 2, "pooling": "0011"}


def make(encoder: str = "stf", backbone: str = "spikformer", shape: Mapping[str, Any] = SHAPE) -> Target:
    torch.manual_seed(0)
    body = backbones.create(backbone, TASK, **shape)
    model = Classifier(encoders.create(encoder, body.stem), body, TASK.timesteps)
    return Target(calibrate(model, lambda m: m(sample_images(TASK, 32))))


def profile(target: Target, batch_size: int = 8, count: int = 27, **parameters: Any) -> Outcome:
    images = sample_images(TASK, count, seed=1)
    subject = Subject(target, ArraySamples(images, torch.zeros(count, dtype=torch.int64)), batch_size=batch_size)
    result: Outcome = evaluations.create("profile", **parameters).run(subject)
    return result


MEASURED = {"images_per_second", "peak_memory_mb"}


def test_numbers_are_those_of_the_tensors() -> None:
    target = make()
    found = profile(target, count_images=2)
    with torch.no_grad():
        target.model.eval()
        target(sample_images(TASK, 27, seed=1))
        spikes = None

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            nonlocal spikes
            spikes = output

        encoder: Any = target.model.encoder
        handle = encoder.register_forward_hook(keep)
        target(sample_images(TASK, 27, seed=1))
        handle.remove()
    assert spikes is not None
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


def test_first_layer_is_the_only_real_valued_one_until_tokens_add_up() -> None:
    found = profile(make("direct"), count_images=1).details["operations"]
    assert found["mac"] >= 8 * 8 * 16 * 9  # the first convolution, once for all steps
    assert found["formula_macs"] == 8 * 8 * 16 * 9 + 3 * 128 * 10  # and the head, on the mean of the tokens


@pytest.mark.parametrize("encoder", ["stf", "rate"])
def test_numbers_do_not_depend_on_the_batch(encoder: str) -> None:
    target = make(encoder)
    conditions = [{"corruption": "gaussian_noise", "severity": 5}]
    small, large = (profile(target, size, conditions=conditions) for size in (5, 16))
    assert {k: v for k, v in small.metrics.items() if k not in MEASURED} == {
        k: v for k, v in large.metrics.items() if k not in MEASURED
    }
    assert small.details == large.details
    np.testing.assert_array_equal(small.columns["diversity"], large.columns["diversity"])


def test_distance_grows_with_the_corruption_and_is_nil_without() -> None:
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


def test_adversarial_images_are_compared_too() -> None:
    found = profile(make("direct"), conditions=[{"attack": "fgsm", "eps": 0.1}], batch_size=4)
    first = found.details["distance"]["fgsm_0.1"]["distance"]["encoder.neuron"]
    assert all(0 <= step <= 1 for step in first)


def test_ann_twin_has_costs_but_no_spikes() -> None:
    found = profile(make("direct", "spikformer_ann"), conditions=["clean"])
    assert "firing_rate" not in found.metrics
    assert "distance" not in found.details
    assert found.metrics["synops"] == 0
    assert found.metrics["mac"] > 0


def test_feedback_in_segments_is_seen_whole() -> None:
    found = profile(make("direct", "tdformer"), conditions=["clean"])
    distance = found.details["distance"]["clean"]["distance"]
    baseline = {name: steps for name, steps in distance.items() if name.startswith("backbone.base.")}
    assert len(baseline) > 5
    assert all(steps == [0.0] * 3 for steps in baseline.values())


STEPS = 4


def two_layers(neurons: Callable[[], nn.Module] = neuron.LIFNode, modes: str = "s") -> nn.Sequential:
    """A network of one step, or (modes "m") of all steps, the same weights every time."""
    torch.manual_seed(0)
    first, last = nn.Linear(64, 32), nn.Linear(32, 10)
    with torch.no_grad():
        first.weight.mul_(4)
    net = nn.Sequential(layer.Flatten(), layer.SeqToANNContainer(first), neurons(), layer.SeqToANNContainer(last))
    if modes == "s":
        net = nn.Sequential(nn.Flatten(), first, neurons(), last)
    functional.set_step_mode(net, modes)
    return net


class Looped(nn.Module):
    """Runs the steps itself, and may put its neurons to rest before."""

    def __init__(self, net: nn.Module, *, resets: bool) -> None:
        super().__init__()
        self.net, self.resets = net, resets

    def forward(self, images: Tensor) -> Tensor:
        if self.resets:
            functional.reset_net(self.net)
        return torch.stack([self.net(images) for _ in range(STEPS)]).mean(0)


def profile_of(model: nn.Module, images: Tensor | None = None, **options: Any) -> Result:
    parameters = {"measure": False, "count_images": options.pop("count_images", 3)}
    images = sample_images(TASK, 8, seed=1) if images is None else images
    (found,) = evaluate(model, images, torch.arange(len(images)), {"profile": parameters}, **options)
    return found


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (Looped(two_layers(), resets=False), {}),
        (two_layers(), {"timesteps": STEPS}),
        (two_layers(modes="m"), {"timesteps": STEPS}),
        (Looped(two_layers(), resets=False), {"stochastic": True}),
    ],
    ids=["looped", "raw, step mode s", "raw, step mode m", "one at a time"],
)
def test_a_network_costs_the_same_whoever_runs_its_steps(model: nn.Module, options: Mapping[str, Any]) -> None:
    found, expected = profile_of(model, **options), profile_of(Looped(two_layers(), resets=True))
    assert expected.metrics["mac"] == STEPS * 64 * 32
    assert expected.metrics["synops"] > 0
    assert found.metrics == pytest.approx(expected.metrics)
    assert found.flags == ()


def test_a_raw_convolution_of_all_steps_is_counted() -> None:
    net = nn.Sequential(layer.Conv2d(3, 4, 3, padding=1), neuron.LIFNode(), layer.Flatten(), layer.Linear(256, 10))
    functional.set_step_mode(net, "m")
    found = profile_of(net, torch.rand(8, 3, 8, 8), timesteps=STEPS)
    assert found.metrics["mac"] == STEPS * 4 * 27 * 64


def test_an_image_costs_the_same_after_others() -> None:
    images = sample_images(TASK, 1, seed=1).expand(5, -1, -1, -1)
    one, five = (profile_of(Looped(two_layers(), resets=False), images, count_images=count) for count in (1, 5))
    assert one.metrics == five.metrics


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_runs_of_one_sample_are_no_more_steps(batch_size: int) -> None:
    """The same network, declared to draw, so that it is run sample by sample."""
    entry = {"profile": {"conditions": [{"corruption": "gaussian_noise", "severity": 3}], "measure": False}}
    images, labels = sample_images(TASK, 6, seed=1), torch.arange(6) % TASK.classes
    alike = []
    for stochastic in (False, True):
        net = Looped(two_layers(), resets=True)
        options: dict[str, Any] = {"stochastic": stochastic, "batch_size": batch_size}
        (found,) = evaluate(net, images, labels, [entry], **options)
        ((distance,),) = [found.details["distance"].values()]
        assert {len(steps) for steps in distance["distance"].values()} == {STEPS}
        alike.append([*found.metrics.values(), *distance["distance"]["net.2"]])
    assert alike[0] == pytest.approx(alike[1])


class Threshold(nn.Module):
    """Fires by a comparison."""

    def forward(self, drive: Tensor) -> Tensor:
        return (drive >= 1.0).to(drive)


class OnlyWithoutGradient(nn.Module):
    """Cannot be looked into."""

    def forward(self, drive: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            raise RuntimeError("no gradient here")
        return drive


@pytest.mark.parametrize(
    ("neurons", "hidden"),
    [
        (neuron.QIFNode, False),
        (neuron.ILIFNode, False),
        (nn.ReLU, False),
        (surrogate.ATan, True),
        (Threshold, True),
        (OnlyWithoutGradient, True),
    ],
)
def test_spikes_that_are_not_counted_are_flagged(neurons: Callable[[], nn.Module], hidden: bool) -> None:
    found = profile_of(Looped(two_layers(neurons), resets=True))
    assert ("spikes_not_counted" in found.flags) == hidden
    assert "firing rates" in explain("spikes_not_counted").lower()


@pytest.mark.parametrize("encoder", ["gac", "imp", "rate", "sigma_delta", "signed_rate", "stf", "ttfs"])
def test_encoders_here_raise_no_flag(encoder: str) -> None:
    assert unflagged(make(encoder))


@pytest.mark.parametrize("backbone", ["sdt", "sew_resnet18", "spikformer_ann", "tdformer"])
def test_backbones_here_raise_no_flag(backbone: str) -> None:
    assert unflagged(make("direct", backbone, {} if backbone == "sew_resnet18" else SHAPE))


def unflagged(target: Target) -> bool:
    with target.frozen():
        return not profile(target, count=8, count_images=1, measure=False).flags
