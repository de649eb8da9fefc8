"""Models are weighed before they are built: that costs no memory, and changes no weight."""

from __future__ import annotations

import pytest
import torch

from robustbench_snn.errors import UserError
from robustbench_snn.execution import building
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones, encoders
from robustbench_snn.registry.spec import ComponentSpec

TASK = Task(channels=1, height=8, width=8, classes=10, timesteps=2, mean=(0.5,), std=(0.2,))
SMALL = {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}


def built(encoder: str) -> Classifier:
    torch.manual_seed(3)
    return building.build_checked(ComponentSpec(name=encoder), ComponentSpec(name="spikformer", parameters=SMALL), TASK)


SHIPPED = [
    name
    for name in encoders
    for found in [encoders.declaration(name)]
    if found.origin.startswith("robustbench_snn.") and found.traits.takes != "events"
]


@pytest.mark.parametrize("name", SHIPPED)
def test_weighing_draws_no_random_numbers(name: str) -> None:
    model = built(name)
    torch.manual_seed(3)
    body = backbones.create("spikformer", TASK, **SMALL)
    plain = Classifier(encoders.create(name, body.stem), body, TASK.timesteps)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


def test_weights_are_weighed_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("direct")
    tensors = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    weight = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    monkeypatch.setattr(building, "total_memory", lambda: weight)
    built("direct")
    monkeypatch.setattr(building, "total_memory", lambda: weight - 1)
    with pytest.raises(UserError, match="its weights need more than"):
        built("direct")
