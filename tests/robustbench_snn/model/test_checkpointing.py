"""Checkpointing changes what autograd keeps, and no number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.estimator.contract import estimating
from robustbench_snn.model.checkpointing import parts
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.target import Target, Through
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders, estimators
from robustbench_snn.testing.models import make_task, sample_images
from robustbench_snn.testing.subject import small_target
from tests.attack_models import held_out, trained

torch.set_num_threads(1)

ESTIMATORS = ["training", *sorted(estimators.names())]


def classifier(
    backbone: str = "spikformer", encoder: str = "direct", timesteps: int = 4, **parameters: object
) -> Classifier:
    torch.manual_seed(0)
    task = Task(1, 8, 8, 10, timesteps, (0.3,), (0.35,))
    built = backbones.create(backbone, task, **{"depth": 2, "width": 32, "heads": 2, **parameters})
    model = Classifier(encoders.create(encoder, built.stem), built, timesteps).train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
            if module.affine:
                nn.init.constant_(module.bias, 0.7)  # near the threshold, so that neurons fire in every layer
    with torch.no_grad():
        model(held_out(64)[0])
    return model.eval()


def gradient(target: Target, images: Tensor, labels: Tensor) -> Tensor:
    leaf = images.clone().requires_grad_()
    loss = nn.functional.cross_entropy(target(leaf), labels, reduction="sum")
    (slope,) = torch.autograd.grad(loss, leaf)
    return slope


def kept_bytes(target: Target, images: Tensor) -> int:
    """Storage that autograd holds on to after a forward pass, each counted once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    alive: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        target(images.clone().requires_grad_())
    return sum(storages.values())


@pytest.mark.parametrize("backbone", ["spikformer", "sdt", "tdformer"])
@pytest.mark.parametrize("spec", ESTIMATORS)
def test_gradients_are_bit_identical(backbone: str, spec: str) -> None:
    model, (images, labels) = classifier(backbone), held_out(6)
    assert len(model.backbone.segments(4)) == (2 if backbone == "tdformer" else 1)
    found = []
    for checkpointing in (False, True):
        target = Target(model, checkpointing=checkpointing)
        with target.frozen(), estimating(target, spec):
            found.append(gradient(target, images, labels))
    assert found[0].any() or (backbone, spec) == ("sdt", "rga"), "RGA passes nothing through this one"
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("backbone", "parameters"),
    [
        ("spikformer", {}),
        ("tdformer", {"fed_blocks": 1}),
        ("tdformer", {"control": "cm3", "processing": "v4"}),
        ("tdformer", {"base": "qkformer", "depth": 4, "literal": True}),
    ],
)
def test_every_part_of_the_backbone_is_run_again(backbone: str, parameters: dict[str, Any]) -> None:
    model = classifier(backbone, **parameters)
    covered = [id(neuron) for part in parts(model) for neuron in spiking_neurons(part)]
    assert sorted(covered) == sorted(id(neuron) for neuron in spiking_neurons(model.backbone))


@pytest.mark.parametrize("backbone", ["spikformer", "tdformer"])
def test_autograd_keeps_less(backbone: str) -> None:
    model, (images, _) = classifier(backbone, timesteps=8), held_out(16)
    plain, less = (kept_bytes(Target(model, checkpointing=on), images) for on in (False, True))
    assert less < 0.5 * plain


@pytest.mark.parametrize("spec", [{"assg": {"level": 0.45}}, "hart", "training"])
@pytest.mark.parametrize("mode", ["m", "s"])
def test_attacks_find_the_same(spec: object, mode: str) -> None:
    images, labels = held_out(12)
    entry = {"attack": {"attack": {"sa_pgd": {"steps": 6}}, "eps": 0.1, "estimator": spec, "keep_images": 12}}
    one, other = (
        evaluate(trained(mode), images, labels, [entry], batch_size=5, checkpointing=on)[0] for on in (False, True)
    )
    np.testing.assert_array_equal(one.arrays["adversarial"], other.arrays["adversarial"])
    assert one.details["stages"][0]["queries"] == other.details["stages"][0]["queries"]


def test_stochastic_encoders_keep_their_draws() -> None:
    model, (images, labels) = classifier(encoder="rate"), held_out(6)
    entry = {"pgd": {"eps": 0.05, "steps": 3, "draws": 3, "judging_draws": 2, "keep_images": 6}}
    one, other = (evaluate(model, images, labels, [entry], checkpointing=on)[0] for on in (False, True))
    np.testing.assert_array_equal(one.arrays["adversarial"], other.arrays["adversarial"])


def test_a_part_that_is_called_twice_is_right() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner: nn.Module = trained()
            self.spike: Any = self.inner.spike1

        def forward(self, images: Tensor) -> Tensor:
            current = images.flatten(1).expand(2, -1, -1).contiguous() * 2
            logits: Tensor = (self.spike(current).mean(0) + 2 * self.spike(current * 1.5).mean(0))[:, :10]
            return logits

    model, (images, labels) = Twice().eval(), held_out(6)
    model.inner = nn.Identity()
    plain, again = (gradient(Target(model, checkpointing=on), images, labels) for on in (False, True))
    assert plain.abs().sum() > 0
    assert torch.equal(plain, again)


def test_a_pass_through_cuts_keeps_everything() -> None:
    target = small_target()
    images = sample_images(make_task(timesteps=3, classes=5), 4, seed=1)
    found = []
    for through, checkpointing in ((Through.ALL, False), (Through.ALL, True), (Through.NO, True)):
        target.through, target.checkpointing = through, checkpointing
        with target.frozen(), estimating(target, "atan", images):
            leaf = images.clone().requires_grad_()
            kept: list[int] = []

            def pack(tensor: Tensor, kept: list[int] = kept) -> Tensor:
                kept.append(tensor.numel())
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                logits = target(leaf)
            logits.sum().backward()  # parts run again would not be those that the estimator has seen
            assert leaf.grad is not None
            found.append(sum(kept))
    assert found[0] == found[1] > found[2]
