"""What a decorator says of a component, read from its source or told when its file is imported."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

Traits = TypeVar("Traits")


@dataclass(frozen=True)
class Declaration(Generic[Traits]):
    """What a decorator says of a component; readable without importing the component's file.

    Attributes:
        name: the name in suite files.
        version: raised by its author whenever the component's numbers change; part of every cell's key.
        summary: first line of the docstring.
        origin: the module or file that holds it.
        traits: the kind's own facts (an encoder's ``stochastic``, ``causal``, ...), defaults filled in.
        preset: parameters that this name fixes as new defaults; empty for the component itself.
    """

    name: str
    version: int
    summary: str
    origin: str
    traits: Traits
    preset: Mapping[str, Any] = field(default_factory=dict)


def scanned(path: Path, decorator: str, module: str, traits: Callable[..., Traits]) -> Iterator[Declaration[Traits]]:
    """Reads the registrations of one file from its syntax tree.

    Args:
        path: the file.
        decorator: name of the function that registers.
        module: what the file is imported as.
        traits: what the decorator's other keyword arguments are given to.
    """
    source = path.read_text(encoding="utf-8")
    if decorator not in source:
        return
    for node in ast.parse(source, str(path)).body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator):
                continue
            name = ast.literal_eval(call.args[0])
            facts = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
            version, presets = facts.pop("version"), facts.pop("presets", {})
            summary = summary_of(ast.get_docstring(node))
            yield from declarations(name, version, presets, summary, module, traits(**facts))


def told(
    target: Callable[..., Any], name: str, version: int, presets: Mapping[str, Mapping[str, Any]], traits: Traits
) -> Iterator[Declaration[Traits]]:
    """The same of a component that is loaded."""
    return declarations(name, version, presets, summary_of(inspect.getdoc(target)), target.__module__, traits)


def declarations(
    name: str, version: int, presets: Mapping[str, Mapping[str, Any]], summary: str, origin: str, traits: Traits
) -> Iterator[Declaration[Traits]]:
    """One for the component itself, and one for each of its presets."""
    for key, preset in {name: {}, **presets}.items():
        yield Declaration(key, version, summary, origin, traits, dict(preset))


def summary_of(docstring: str | None) -> str:
    """First line of a docstring, without its full stop."""
    return (docstring or "").strip().split("\n", 1)[0].rstrip(".")
