"""Recipes: the published values, overrides, and one clear message for each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from robustbench_snn.errors import UnknownNameError, UserError
from robustbench_snn.training import Recipe, recipes, resolve_recipe

SPIKFORMER: dict[str, Any] = {
    "epochs": 300, "cooldown_epochs": 10, "batch_size": 128, "optimizer": "adamw", "lr": 5e-4, "weight_decay": 6e-2,
    "schedule": "cosine", "schedule_by": "epoch", "min_lr": 1e-5, "warmup_epochs": 20, "warmup_lr": 1e-5,
    "label_smoothing": 0.1, "randaugment": "rand-m9-n1-mstd0.4-inc1", "mixup": 0.5, "cutmix": 0.0,
    "mixup_off_epoch": 200, "random_erasing": 0.25, "horizontal_flip": 0.5, "crop_padding": 0,
    "gradient_clip": None, "mixed_precision": "fp16", "loss": "ce", "adversarial": None,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "spikformer_cifar": {},
    "sdt_cifar": {"batch_size": 64, "lr": 3e-4, "mixed_precision": "off"},
    "spikingformer_cifar": {"epochs": 400, "batch_size": 64},
    "qkformer_cifar": {"epochs": 400, "batch_size": 64, "lr": 1e-3},
    "qkformer_dvs": {
        "epochs": 96, "warmup_epochs": 10, "batch_size": 16, "lr": 5e-3, "randaugment": None, "mixup": 0.0,
        "mixup_off_epoch": 0, "random_erasing": 0.0, "horizontal_flip": 0.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_published_values(name: str) -> None:
    recipe = resolve_recipe(name)
    assert recipe.model_dump(exclude={"momentum", "threads"}) == SPIKFORMER | CHANGES[name]
    assert recipe.total_epochs == recipe.epochs + 10


def test_every_shipped_recipe_resolves() -> None:
    assert {*CHANGES, "digits_quick"} <= set(recipes.names())
    assert "digits_quick" in recipes
    for name in recipes:
        assert resolve_recipe({"name": name}) == resolve_recipe(name) == recipes.get(name)


def test_overrides_and_defaults() -> None:
    recipe = resolve_recipe({"name": "spikformer_cifar", "epochs": 30, "mixed_precision": False})
    assert (recipe.epochs, recipe.lr, recipe.mixed_precision) == (30, 5e-4, "off")
    assert resolve_recipe({}) == Recipe()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "spikformer_cifr"}, "Did you mean 'spikformer_cifar'"),
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"lr": 0}, "'lr'.*greater than 0.*got 0"),
        ({"mixup": 0.2, "batch_size": 63}, "even batch_size, got 63"),
        ({"epochs": 2, "warmup_epochs": 2}, "fewer than epochs"),
        ({"randaugment": "rand-x9"}, "rand-m9-n1-mstd0.4-inc1"),
        ({"min_lr": 1.0}, "must not exceed lr"),
        ({"processes": 128}, "processes.*less than or equal to 64"),
        ({"batch_size": 100, "processes": 8}, "processes .8. must divide batch_size / accumulate .100."),
        ({"batch_size": 24, "accumulate": 2, "processes": 4, "mixup": 1}, "times 2.* must divide .* .12."),
        ({"batch_size": 100, "accumulate": 3}, "accumulate .3. must divide batch_size .100."),
        ({"optimizer": "lion"}, "adamw"),
        ({"adversarial": {"eps": "8/255", "stepz": 3}}, "adversarial.stepz"),
        ({"epoch": 3, "lrr": 1}, "epochs.*lr"),
    ],
)
def test_mistakes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_recipe(values)


def test_a_batch_in_one_part_leaves_no_trace() -> None:
    assert "accumulate" not in Recipe(accumulate=1).model_dump(mode="json")
    assert '"accumulate"' not in Recipe().model_dump_json()
    recipe = Recipe(batch_size=64, accumulate=4, processes=2)
    plain = Recipe(batch_size=64).model_dump(mode="json")
    assert not {"accumulate", "processes"} & set(plain)
    assert recipe.model_dump(mode="json") == plain | {"accumulate": 4, "processes": 2}
    assert Recipe.model_validate(recipe.model_dump()) == recipe


def test_unknown_names_are_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="digits_quick"):
        resolve_recipe("nothing_like_it")
    with pytest.raises(UnknownNameError, match="Did you mean 'digits_quick'"):
        recipes.get("digits_quik")
