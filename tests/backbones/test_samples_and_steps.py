"""Samples are independent of each other, and a prefix of steps is a shorter run, where it should be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import spiking_neurons

ALL = ["spikformer", "spikingformer", "sdt", "qkformer", "tdformer", "spikformer_ann", "sew_resnet18", "spiking_vgg11"]
CAUSAL = [name for name in ALL if name != "tdformer"]


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_logits_do_not_depend_on_batch_mates(name: str, lively: Callable[..., Classifier], images: Tensor) -> None:
    classifier = lively(name)
    rates: dict[str, float] = {}
    for path, module in classifier.named_modules():
        if module in spiking_neurons(classifier):
            module.register_forward_hook(lambda _, __, out, path=path: rates.update({path: float(out.mean())}))
    together = classifier.step_logits(images)
    assert together.std() > 0
    silent = [path for path, rate in rates.items() if rate == 0]
    assert not silent, f"silent layers could hide a leak: {silent}"
    for index in (0, 5):
        alone = classifier.step_logits(images[index : index + 1])
        torch.testing.assert_close(alone[:, 0], together[:, index], rtol=0, atol=1e-5)
    turned = classifier.step_logits(images.flip(0))
    torch.testing.assert_close(turned.flip(1), together, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_prefix_of_steps_is_a_shorter_run(name: str, lively: Callable[..., Classifier], images: Tensor) -> None:
    classifier = lively(name)
    full = classifier.step_logits(images, timesteps=5)
    if name != "spikformer_ann":
        assert not torch.equal(full[0], full[-1])
    for steps in (1, 2, 4):
        torch.testing.assert_close(classifier.step_logits(images, timesteps=steps), full[:steps], rtol=0, atol=1e-5)
        torch.testing.assert_close(
            classifier(images, timesteps=steps), classifier.read_prefixes(full)[steps - 1], rtol=0, atol=1e-5
        )


@torch.no_grad()
def test_segments_of_a_set_number_break_the_prefix(lively: Callable[..., Classifier], images: Tensor) -> None:
    """Two segments of 4 steps are 2 + 2, of 3 steps 1 + 2: the second step hears feedback in the shorter run only."""
    classifier = lively("tdformer", segments=2)
    full, shorter = (classifier.step_logits(images, timesteps=steps) for steps in (4, 3))
    torch.testing.assert_close(full[:1], shorter[:1], rtol=0, atol=1e-5)
    assert not torch.allclose(full[1:3], shorter[1:], atol=1e-3)


@pytest.mark.parametrize("between", ["carry", "reset"])
@torch.no_grad()
def test_segments_of_one_step_keep_the_prefix(between: str, lively: Callable[..., Classifier], images: Tensor) -> None:
    classifier = lively("tdformer", segments="per_step", between_segments=between)
    full = classifier.step_logits(images, timesteps=5)
    for steps in (1, 3):
        torch.testing.assert_close(classifier.step_logits(images, timesteps=steps), full[:steps], rtol=0, atol=1e-5)


@torch.no_grad()
def test_ann_is_the_same_at_every_step(lively: Callable[..., Classifier], images: Tensor) -> None:
    classifier = lively("spikformer_ann")
    logits = classifier.step_logits(images, timesteps=3)
    assert not spiking_neurons(classifier)
    torch.testing.assert_close(logits[2], logits[0])
