"""From a YAML file to a :class:`SuiteSpec`, or to every problem it has at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from robustbench_snn.errors import UserError, did_you_mean, shortened, shown
from robustbench_snn.evaluation.borrowed import NONE_STATED, borrowed, lacks_eps
from robustbench_snn.registry import KINDS
from robustbench_snn.registry.data_kind import unfit
from robustbench_snn.registry.spec import ComponentSpec, component_spec, evaluation_spec, problems
from robustbench_snn.reported import load_reported
from robustbench_snn.spec.resources import Resources
from robustbench_snn.spec.suite import GridSpec, ModelSpec, SuiteSpec, TableSpec
from robustbench_snn.yaml_text import MOST_DEPTH, read_text_file, read_yaml

MOST_CELLS = 1_000_000
"""Of one suite."""
MOST_PROBLEMS = 50
"""So many are looked for and named."""


class SuiteError(UserError):
    """The problems of one suite file, each with its path in the YAML; of very many, the first."""

    def __init__(self, source: str, problems: Iterable[tuple[str, str]]) -> None:
        found = list(islice(problems, MOST_PROBLEMS + 1))
        self.problems = found[:MOST_PROBLEMS]
        lines = "\n".join(f"  {shortened(path) or '(top)'}: {message}" for path, message in self.problems)
        more = "more than " if len(found) > MOST_PROBLEMS else ""
        count = f"{more}{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__(f"{source} has {count}:\n{lines}")


def shipped_suites() -> list[str]:
    """Names of the suite files that come with the package."""
    folder = resources.files("robustbench_snn.suites")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def read_suite_text(name_or_path: str) -> tuple[str, str]:
    """The text of a suite file, given by path or by the name of a shipped one, and where it came from.

    Raises:
        UserError: if there is no such file or it is not text.
    """
    path = Path(name_or_path)
    if os.path.exists(path) and not path.is_dir():
        try:
            return read_text_file(path), str(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"suite file {path} cannot be read: {reason}") from None
    stem = path.name.removesuffix(".yaml")
    if stem in shipped_suites() and (len(path.parts) == 1 or path.parts[:-1] == ("suites",)):
        return (resources.files("robustbench_snn.suites") / f"{stem}.yaml").read_text(encoding="utf-8"), stem
    hint = did_you_mean(stem, shipped_suites())
    raise UserError(f"no suite file {shortened(name_or_path)}.{hint} Shipped suites: {', '.join(shipped_suites())}")


def load_suite(name_or_path: str, overrides: Sequence[str] = ()) -> SuiteSpec:
    """Reads and validates a suite.

    Args:
        name_or_path: a YAML file, or the name of a shipped suite.
        overrides: ``key=value`` with a dotted key, as of ``--set``; list items by number (``models.0.name``).

    Raises:
        SuiteError: with every problem found.
    """
    return parse_suite(*read_suite(name_or_path, overrides))


def read_suite(name_or_path: str, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """The plain data of a suite file, not yet validated, and where it came from; arguments as of :func:`load_suite`.

    Raises:
        SuiteError: if it is no YAML mapping.
    """
    text, source = read_suite_text(name_or_path)
    try:
        data = read_yaml(text)
    except yaml.YAMLError as error:
        raise SuiteError(source, [("", f"not valid YAML: {' '.join(str(error).split())}")]) from None
    if not isinstance(data, dict):
        raise SuiteError(source, [("", "a suite file is a mapping of keys such as name:, models:, evaluations:")])
    for override in overrides:
        _override(data, override)
    return data, source


def parse_suite(data: Mapping[str, Any], source: str = "suite") -> SuiteSpec:
    """Validates a suite given as plain data.

    Raises:
        SuiteError: with every problem found.
    """
    try:
        suite = SuiteSpec.model_validate(data)
    except ValidationError as error:
        structural = map(_structural, error.errors(include_url=False))
        raise SuiteError(source, chain(structural, _component_problems_of(data))) from None
    problems = _component_problems(suite)
    if (first := next(problems, None)) is not None:
        raise SuiteError(source, chain([first], problems))
    if problem := _too_many_cells(suite):
        raise SuiteError(source, [("", problem)])
    return suite


def written_component(text: str, option: str) -> ComponentSpec:
    """A component as a suite file writes it, given on the command line.

    Raises:
        UserError: if it is no YAML, or in none of the forms.
    """
    try:
        return component_spec(read_yaml(text))
    except yaml.YAMLError as error:
        message = f"{option} takes a component as a suite file writes it; '{shortened(text)}': {error}"
        raise UserError(message) from None


_ITEM = re.compile(r"[0-9]{1,6}")


def _override(data: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    shown = shortened(override)
    if not sign or not key:
        raise UserError(f"--set takes key=value with a dotted key, such as dataset.limit=100; got '{shown}'")
    node: Any = data
    parts = key.split(".")
    if len(parts) > MOST_DEPTH:
        raise UserError(f"--set {shown}: a key of {len(parts)} parts; no suite has one of more than {MOST_DEPTH}")
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {shown}: not valid YAML: {' '.join(str(error).split())}") from None
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(node, list):
            if not _ITEM.fullmatch(part) or int(part) >= len(node):
                raise UserError(f"--set {shown}: '{shortened(part)}' is not an item of a list of {len(node)}")
            slot: Any = int(part)
        elif isinstance(node, dict):
            slot = part
        else:
            raise UserError(f"--set {shown}: '{'.'.join(parts[:index])}' holds a plain value, not keys")
        if last:
            node[slot] = value
            return
        if isinstance(node, dict) and slot not in node and _ITEM.fullmatch(parts[index + 1]):
            grid = (
                "its models come of grid: (set grid.encoders)" if "grid" in data and slot == "models" else "it has none"
            )
            raise UserError(f"--set {shown}: the suite has no list '{shortened(slot)}' to change an item of; {grid}")
        if isinstance(node, dict) and not isinstance(node.get(slot), dict | list):
            # `dataset: digits` and --set dataset.limit=9 mean {name: digits, limit: 9}
            node[slot] = {"name": node[slot]} if isinstance(node.get(slot), str) else {}
        node = node[slot]


def _structural(problem: Mapping[str, Any]) -> tuple[str, str]:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _fields_at(problem["loc"][:-1])
        return path, f"unknown key.{did_you_mean(str(problem['loc'][-1]), known) or ' Known: ' + ', '.join(known)}"
    if problem["type"] == "missing":
        return path, "is required"
    if problem["type"] == "too_short":
        return path, "is empty; it needs at least one item"
    message = shortened(problem["msg"].removeprefix("Value error, "))
    return path, message if problem["type"] == "value_error" else f"{message}, got {shown(problem['input'])}"


def _fields_at(location: Sequence[str | int]) -> list[str]:
    """Names of the keys that the mapping at this place of a suite file may have."""
    nested: dict[str | int, type[BaseModel]] = {
        "models": ModelSpec,
        "grid": GridSpec,
        "table": TableSpec,
        "resources": Resources,
    }
    model = nested.get(location[0], SuiteSpec) if location else SuiteSpec
    return list(model.model_fields)


def _component_problems(suite: SuiteSpec) -> Iterator[tuple[str, str]]:
    """Names and parameters of all components, each looked up in its registry."""
    yield from _check("datasets", suite.dataset, "dataset")
    yield from _check("backbones", suite.backbone, "backbone")
    yield from _check_recipe(suite.recipe, "recipe")
    for index, model in enumerate(suite.models):
        place = f"models.{index}"
        for key, component in (("encoder", model.encoder), ("backbone", model.backbone), ("model", model.model)):
            if component is not None:
                yield from _check(f"{key}s", component, f"{place}.{key}")
        if model.recipe is not None:
            yield from _check_recipe(model.recipe, f"{place}.recipe")
    if suite.grid is not None:
        for index, component in enumerate(suite.grid.encoders):
            yield from _check("encoders", component, f"grid.encoders.{index}")
        for index, component in enumerate(suite.grid.backbones):
            yield from _check("backbones", component, f"grid.backbones.{index}")
    for index, component in enumerate(suite.evaluations):
        yield from _check("evaluations", component, f"evaluations.{index}")
    yield from _data_problems(suite)
    for index, name in enumerate(suite.table.reported):
        try:
            load_reported(name)
        except UserError as error:
            yield f"table.reported.{index}", str(error)


def _data_problems(suite: SuiteSpec) -> Iterator[tuple[str, str]]:
    """Components that do not take the dataset's kind of data, where all of their names are known."""
    if suite.dataset.name not in KINDS["datasets"]:
        return
    events = KINDS["datasets"].declaration(suite.dataset.name).traits.events
    encoders = [(f"models.{index}.encoder", model.encoder) for index, model in enumerate(suite.models)]
    if suite.grid is not None:
        encoders += [(f"grid.encoders.{index}", encoder) for index, encoder in enumerate(suite.grid.encoders)]
    named = [("encoders", place, encoder) for place, encoder in encoders if encoder is not None]
    named += [("evaluations", f"evaluations.{index}", found) for index, found in enumerate(suite.evaluations)]
    for kind, path, component in named:
        if component.name in KINDS[kind]:
            takes = KINDS[kind].declaration(component.name).traits.takes
            if message := unfit(kind, component.name, takes, events=events, data=suite.dataset.name):
                yield path, message


def _component_problems_of(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Component problems of a file that is also wrong elsewhere: the parts that can be read are checked."""
    places: list[tuple[str, str, Any]] = [
        ("datasets", "dataset", data.get("dataset")),
        ("backbones", "backbone", data.get("backbone")),
    ]
    for kind, key, inside in (("evaluations", "evaluations", ""), ("encoders", "models", "encoder")):
        items = data.get(key)
        for index, item in enumerate(items if isinstance(items, list) else []):
            value = item if not inside else item.get(inside) if isinstance(item, Mapping) else None
            places.append((kind, f"{key}.{index}" + (f".{inside}" if inside else ""), value))
    found: list[tuple[str, str, ComponentSpec]] = []
    for kind, path, value in places:
        with suppress(UserError):  # its form is wrong, which is among the problems already
            read = evaluation_spec if kind == "evaluations" else component_spec
            found += [(kind, path, read(value))] if value is not None else []
    complete = iter(borrowed([component for kind, _, component in found if kind == "evaluations"]))
    for kind, path, component in found:
        yield from _check(kind, next(complete) if kind == "evaluations" else component, path)


def _check(kind: str, component: ComponentSpec, path: str) -> Iterator[tuple[str, str]]:
    known = component.name in KINDS[kind]
    borrows = kind == "evaluations" and lacks_eps(component)
    for message in [NONE_STATED] if borrows else problems(kind, component):
        yield f"{path}.{component.name}" if known else path, message


def _too_many_cells(suite: SuiteSpec) -> str | None:
    """What is wrong with a suite that would never end, found before its cells are made."""
    parts = 0
    for component in suite.evaluations:
        evaluation = KINDS["evaluations"].get(component.name)
        parts += len(evaluation.implementation.split(evaluation.validate(component.parameters)))
    cells = sum(len(entry.seeds) for entry in suite.entries()) * (1 + parts)
    return f"it has {cells} cells; at most {MOST_CELLS} are planned: cut it in several" if cells > MOST_CELLS else None


def _check_recipe(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    from robustbench_snn.training import resolve_recipe

    try:
        resolve_recipe(values)
    except UserError as error:
        yield path, str(error)
