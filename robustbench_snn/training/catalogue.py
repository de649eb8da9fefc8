"""Recipes by name: the YAML files in the folder ``recipes`` beside this module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import ValidationError

from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean, shown
from robustbench_snn.registry import explain
from robustbench_snn.training.recipe import Recipe


class RecipeCatalogue:
    """The shipped recipes, asked as a :class:`robustbench_snn.registry.Registry` is."""

    kind = "recipe"

    @cached_property
    def _files(self) -> Mapping[str, Traversable]:
        folder = resources.files("robustbench_snn.training") / "recipes"
        files = {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}
        return dict(sorted(files.items()))

    def names(self) -> list[str]:
        """All names, sorted."""
        return list(self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._files

    def get(self, name: str) -> Recipe:
        """The recipe of this name.

        Raises:
            UnknownNameError: if there is none, with the nearest name.
        """
        return Recipe.model_validate(self.values(name))

    def values(self, name: str) -> dict[str, Any]:
        """The fields that a recipe's file sets.

        Raises:
            UnknownNameError: if there is none, with the nearest name.
        """
        values: dict[str, Any] = yaml.safe_load(self._text(name))
        return values

    def summary(self, name: str) -> str:
        """The first line of a recipe's file, a comment that says what it trains.

        Raises:
            UnknownNameError: if there is none, with the nearest name.
        """
        return self._text(name).partition("\n")[0].removeprefix("#").strip()

    def _text(self, name: str) -> str:
        if name not in self:
            raise UnknownNameError(
                f"Unknown {self.kind} {shown(name)}.{did_you_mean(str(name), self)} There are: {', '.join(self)}"
            )
        return self._files[name].read_text(encoding="utf-8")


recipes = RecipeCatalogue()


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
    base = {} if name is None else recipes.values(name)
    try:
        return Recipe.model_validate(base | given)
    except ValidationError as error:
        raise UserError(f"training: {'; '.join(explain(error, Recipe))}") from None
