"""Small classifiers of every backbone, lively enough that every layer fires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.task import Task

SMALL = {"depth": 2, "width": 32, "heads": 2}
SHAPES: dict[str, dict[str, Any]] = {
    "spikformer": SMALL,
    "spikingformer": SMALL,
    "sdt": SMALL,
    "qkformer": {**SMALL, "depth": 4},
    "tdformer": SMALL,
    "spikformer_ann": SMALL,
    "sew_resnet18": {},
    "spiking_vgg11": {},
}
"""Parameters that make each backbone small."""

Build = Callable[..., Classifier]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def lively() -> Build:
    """Builds a classifier of lowered thresholds and calibrated batch norms, so that all its layers fire."""

    def build(name: str, *, size: int = 8, timesteps: int = 4, **parameters: Any) -> Classifier:
        torch.manual_seed(0)
        task = Task(1, size, size, 10, timesteps, (0.5,), (0.29,))
        classifier = direct_classifier(name, {**SHAPES.get(name, {}), **parameters}, task)
        neurons: list[Any] = list(spiking_neurons(classifier))
        for neuron in neurons:
            neuron.v_threshold *= 0.2
        norms = [module for module in classifier.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
        for norm in norms:  # the statistics of one run: an untrained network's signals are far from unit variance
            norm.momentum = 1.0
        with torch.no_grad():
            classifier.train()(torch.rand(16, 1, size, size, generator=torch.Generator().manual_seed(2)))
        for norm in norms:
            norm.momentum = 0.1
        return classifier.eval()

    return build


@pytest.fixture
def images() -> torch.Tensor:
    """Eight images of 8x8 pixels, float32 in [0, 1]."""
    return torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
