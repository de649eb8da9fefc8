"""MkDocs hook: the pages of the API reference, from the lists of public names themselves.

A page a list (``__init__.pyi``, ``plugins.pyi``, ``testing.__all__``), its names under the room that they come from,
and a page for each folder of shipped components. What is added to a list or a folder is on its page at once.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "robustbench_snn"
LISTS = {
    "robustbench_snn": "__init__.pyi",
    "robustbench_snn.plugins": "plugins.pyi",
    "robustbench_snn.testing": "testing/__init__.py",
}
COMPONENTS = {
    "encoders": "encoders",
    "backbones": "backbones",
    "suites": "evaluations",
    "suites.attacks": "attacks",
    "suites.corruptions": "corruptions",
    "suites.event_corruptions": "event_corruptions",
    "suites.estimators": "estimators",
    "datasets": "datasets",
}
"""The sub-package of each kind of component, and what its page is called."""

OF_A_GROUP = "(of the shape)"
"""Marks arguments that are fields of a keyword's dataclass, and so in no signature."""
LENIENT = {"docstring_options": {"warn_unknown_params": False, "warn_missing_types": False}}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the reference."""
    for module, names in LISTS.items():
        path = f"reference/{module.removeprefix('robustbench_snn.')}.md"
        files.append(File.generated(config, path, content="\n".join(of_names(module, PACKAGE / names))))
    for package, kind in COMPONENTS.items():
        path = f"reference/components/{kind}.md"
        files.append(File.generated(config, path, content="\n".join(of_components(package, kind))))
    return files


def of_names(module: str, names: Path) -> Iterator[str]:
    """The page of one list of names: each under the room that it is imported from."""
    yield f"# {module}\n\n{about(module)}"
    section = ""
    for name, home in imported(names):
        room = home.split(".")[0]
        if room != section and module == "robustbench_snn.plugins":
            yield f"## {room}\n\n{about(f'robustbench_snn.{room}')}"
        section = room
        yield shown(f"{module}.{name}", heading_level=3)


def imported(names: Path) -> Iterator[tuple[str, str]]:
    """What a list of names imports: (name, module)."""
    for statement in ast.parse(names.read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                yield alias.asname or alias.name, statement.module


def of_components(package: str, kind: str) -> Iterator[str]:
    """The page of one folder of components: what each file registers, its parameters and formulas."""
    module = f"robustbench_snn.{package}"
    yield f"# Shipped {kind}\n\n{about(module)}"
    for file in sorted((PACKAGE / package.replace(".", "/")).glob("*.py")):
        registered = [each for each in ast.parse(file.read_text()).body if is_registered(each)]
        if registered:
            yield f"## {file.stem}\n\n{about(f'{module}.{file.stem}')}"
        for each in registered:
            grouped = OF_A_GROUP in (ast.get_docstring(each) or "")
            yield shown(
                f"{module}.{file.stem}.{each.name}", heading_level=3, members=False, **(LENIENT if grouped else {})
            )


def is_registered(statement: ast.stmt) -> TypeGuard[ast.ClassDef | ast.FunctionDef]:
    """Whether a statement defines a component."""
    return isinstance(statement, ast.ClassDef | ast.FunctionDef) and any(
        "register_" in ast.unparse(decorator) for decorator in statement.decorator_list
    )


def about(module: str) -> str:
    """A module's own docstring."""
    return shown(module, members=False, show_root_heading=False, show_root_toc_entry=False)


def shown(name: str, **options: object) -> str:
    """What mkdocstrings replaces by the documentation of ``name``."""
    return f"::: {name}\n    options: {json.dumps(options)}\n"
