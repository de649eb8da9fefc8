"""Recipes by name: the YAML files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean
from robustbench_snn.registry import explain
from robustbench_snn.training.recipe import Recipe

_FOLDER = resources.files("robustbench_snn.training") / "recipes"


def recipe_names() -> list[str]:
    """Names of all shipped recipes, sorted."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))


def resolve_recipe(values: Mapping[str, Any] | str) -> Recipe:
    """A recipe from a suite file: a shipped one by ``name``, the other keys in place of its values.

    Args:
        values: for example ``{"name": "spikformer_cifar", "epochs": 2}``; without ``name`` the defaults of
            :class:`Recipe` are the base. A bare string is a name.

    Raises:
        UnknownNameError: if no recipe has the name.
        UserError: if a key is unknown or a value is out of its type or range.
    """
    given = {"name": values} if isinstance(values, str) else dict(values)
    name = given.pop("name", None)
    base: dict[str, Any] = {}
    if name is not None:
        if name not in recipe_names():
            raise UnknownNameError(
                f"Unknown recipe '{name}'.{did_you_mean(str(name), recipe_names())} "
                f"There are: {', '.join(recipe_names())}"
            )
        base = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    try:
        return Recipe.model_validate(base | given)
    except ValidationError as error:
        raise UserError(f"training: {'; '.join(explain(error, Recipe))}") from None
