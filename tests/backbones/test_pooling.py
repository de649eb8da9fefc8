"""Image sizes, pooling stages and the order of pool and neurons."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from robustbench_snn.backbones.layers import ConvStage
from robustbench_snn.backbones.pooling import grid_after, pooled_stages, require_divisible
from robustbench_snn.errors import UserError
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones


def task(size: int, width: int | None = None, channels: int = 1) -> Task:
    return Task(channels, size, width or size, 10, 2, (0.5,) * channels, (0.25,) * channels)


@pytest.mark.parametrize(
    ("size", "digits", "grid"),
    [(4, "0000", 4), (8, "0001", 4), (16, "0001", 8), (28, "0011", 7), (32, "0011", 8), (64, "0111", 8),
     (224, "1111", 14), (288, "1111", 18), (384, "1111", 24)],
)  # fmt: skip
def test_auto_pooling(size: int, digits: str, grid: int) -> None:
    pooled = pooled_stages("auto", task(size))
    assert "".join("01"[stage] for stage in pooled) == digits
    assert grid_after(task(size), pooled) == (grid, grid)


@pytest.mark.parametrize("pooling", ["011", "0012", "yes", "00111"])
def test_malformed_pooling_is_refused(pooling: str) -> None:
    with pytest.raises(UserError, match="pooling takes 'auto' or one digit 0 or 1"):
        pooled_stages(pooling, task(32))


def test_pooling_an_image_away_is_refused() -> None:
    with pytest.raises(UserError, match="more often than it can"):
        pooled_stages("1111", task(8))


@pytest.mark.parametrize(("width", "divisors"), [(60, {"stem": 8}), (40, {"stem": 8, "heads": 12})])
def test_width_that_cannot_be_divided_names_the_nearest(width: int, divisors: dict[str, int]) -> None:
    with pytest.raises(UserError, match=f"width {width} is not divisible by .*; take ") as error:
        require_divisible(width, divisors)
    for near in (int(word) for word in str(error.value).split("; take ")[1].split(" or ")):
        require_divisible(near, divisors)


@pytest.mark.parametrize("name", ["spikformer", "spikingformer", "sdt", "qkformer", "spikformer_ann"])
@pytest.mark.parametrize("pool", ["after", "before"])
@pytest.mark.parametrize(
    ("size", "width", "pooling"), [(8, 8, "auto"), (9, 13, "0011"), (16, 8, "1000"), (17, 17, "1101"), (5, 5, "0000")]
)
def test_tokens_of_any_size(name: str, pool: str, size: int, width: int, pooling: str) -> None:
    shape = {"depth": 4, "width": 32, "heads": 2} if name == "qkformer" else {"depth": 1, "width": 32, "heads": 2}
    classifier = direct_classifier(name, {**shape, "pool": pool, "pooling": pooling}, task(size, width))
    backbone: Any = classifier.backbone
    grid = grid_after(task(size, width), pooled_stages(pooling, task(size, width)))
    with torch.no_grad():
        tokens = backbone.tokenize(classifier.encoder(torch.rand(2, 1, size, width), 2))
    assert backbone.grid == grid
    assert tokens.shape == (2, 2, grid[0] * grid[1], 32)


@pytest.mark.parametrize("name", ["spikformer", "qkformer"])
def test_imagenet_forms_run(name: str) -> None:
    shape = {"depth": 4, "width": 32, "heads": 2}
    for pool in ("after", "before"):
        classifier = direct_classifier(name, {**shape, "pool": pool}, task(64, channels=3))
        assert classifier.backbone.grid == (8, 8)
        assert classifier.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 10)
    first_pooled = direct_classifier(name, {**shape, "pool": "before", "pooling": "1111"}, task(64, channels=3))
    assert first_pooled.backbone.stem.pool
    assert first_pooled.encoder(torch.rand(1, 3, 64, 64), 1).shape[-1] == 32


@pytest.mark.parametrize("name", ["spikformer", "spikingformer", "sdt", "qkformer", "tdformer"])
def test_one_pool_order_is_the_default_of_all(name: str) -> None:
    assert backbones.get(name).parameters.model_fields["pool"].default == "after"


def test_order_of_pool_and_neurons_in_a_stage() -> None:
    torch.manual_seed(0)
    maps = torch.rand(3, 2, 4, 6, 6)
    neuron = NeuronConfig(threshold=0.2)
    after, before = (ConvStage(4, 8, neuron, pool=True, order=order).eval() for order in ("after", "before"))
    before.load_state_dict(after.state_dict())
    current = F.batch_norm(
        F.conv2d(maps.flatten(0, 1), after.conv.weight, padding=1), torch.zeros(8), torch.ones(8)
    ).reshape(3, 2, 8, 6, 6)

    def fire(drive: torch.Tensor) -> torch.Tensor:
        membrane, out = torch.zeros_like(drive[0]), []
        for step in drive:
            membrane = membrane + (step - membrane) / 2
            out.append((membrane >= 0.2).float())
            membrane = membrane * (1 - out[-1])
        return torch.stack(out)

    def pool(values: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(values.flatten(0, 1), 3, 2, 1).reshape(3, 2, 8, 3, 3)

    assert torch.equal(after(maps), pool(fire(current)))
    assert torch.equal(before(maps), fire(pool(current)))
    assert not torch.equal(pool(fire(current)), fire(pool(current)))


def test_shallow_qkformer_is_refused() -> None:
    with pytest.raises(UserError, match="depth 2 leaves no block for the last stage of QKFormer; take 3 or more"):
        direct_classifier("qkformer", {"depth": 2, "width": 32, "heads": 2}, task(32))
    with pytest.raises(UserError, match=r"width 48 is not divisible by 32 \(4 times heads\); take 32 or 64"):
        direct_classifier("qkformer", {"depth": 4, "width": 48, "heads": 8}, task(32))


@pytest.mark.parametrize("parameters", [{"depth": 0}, {"width": -8}, {"pool": "never"}, {"tau": 2}, {"heads": "many"}])
def test_bad_parameters_are_user_errors(parameters: dict[str, object]) -> None:
    with pytest.raises(UserError, match="spikformer: "):
        direct_classifier("spikformer", parameters, task(32))
