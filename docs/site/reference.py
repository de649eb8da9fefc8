"""MkDocs hook: the pages of the API reference, from the lists of public names themselves.

A page a list (``__init__.pyi``, ``plugins.pyi``, ``testing.__all__``), its names under the room that they come from,
and a page for each folder of shipped components. What is added to a list or a folder is on its page at once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

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
    "suites.estimators": "estimators",
    "datasets": "datasets",
}
"""The sub-package of each kind of component, and what its page is called."""


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
    yield f"# {module}\n"
    yield f"::: {module}\n    options:\n      members: false\n      show_root_heading: false\n"
    section = ""
    for name, home in imported(names):
        room = home.removeprefix("robustbench_snn.").removeprefix("testing.").split(".")[0]
        if room != section and module == "robustbench_snn.plugins":
            yield f"## {room}\n\n{summary(PACKAGE / room)}\n"
        section = room
        yield f"::: {module}.{name}\n    options:\n      heading_level: 3\n"


def imported(names: Path) -> Iterator[tuple[str, str]]:
    """What a list of names imports: (name, module)."""
    for statement in ast.parse(names.read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                yield alias.asname or alias.name, statement.module


def of_components(package: str, kind: str) -> Iterator[str]:
    """The page of one folder of components."""
    folder = PACKAGE / package.replace(".", "/")
    yield f"# Shipped {kind}\n\n{summary(folder)}\n"
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith("_"):
            yield f"## {file.stem}\n"
            yield f"::: robustbench_snn.{package}.{file.stem}\n    options:\n      show_root_heading: false\n"


def summary(room: Path) -> str:
    """The first line of a room's docstring."""
    file = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n")[0].replace("\n", " ")
