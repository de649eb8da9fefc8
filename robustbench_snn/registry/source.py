"""The code of components from outside: their version is their source, whatever their authors' numbers say."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

PACKAGE = "robustbench_snn."


def source_of(target: Callable[..., Any]) -> Mapping[str, str]:
    """What a component's result depends on besides its parameters, for its cell's key.

    A component of this package has its version for that, and an empty answer. Others answer with a sha256: a plug-in
    file's over itself and the modules beside it that it imports, a distribution's over all Python files of its package
    (and its version is named), that of a component typed into a session over its text.

    Args:
        target: the class or function.
    """
    origin = target.__module__
    if origin.startswith(PACKAGE):
        return {}
    if not getattr(sys.modules.get(origin), "__file__", None):
        return {"sha256": hashlib.sha256(inspect.getsource(target).encode()).hexdigest()}
    top = origin.partition(".")[0]
    found = distributions().get(top)
    if found:
        root = _file(top).parent
        whole = {str(path.relative_to(root)): path for path in root.rglob("*.py")}
        return {found[0]: version(found[0]), "sha256": _digest(whole)}
    start = _file(origin)
    files = {start, *_beside(start, start.parent, {start})}
    return {"sha256": _digest({str(path.relative_to(start.parent)): path for path in files})}


@cache
def distributions() -> Mapping[str, list[str]]:
    """Installed distributions by the top-level packages that they bring."""
    return packages_distributions()


def _file(module: str) -> Path:
    return Path(str(sys.modules[module].__file__)).resolve()


def _beside(file: Path, folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Files in the plug-in's folder that a file imports, now or within a function, and those that these import."""
    for path in _imported(file, folder):
        if path.suffix == ".py" and path.is_relative_to(folder) and path not in seen:
            seen.add(path)
            yield path
            yield from _beside(path, folder, seen)


def _imported(file: Path, folder: Path) -> Iterator[Path]:
    """Files that the names imported by a file may stand for: of modules, and of the packages that they are in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            names, root = [alias.name for alias in node.names], folder
        elif isinstance(node, ast.ImportFrom):
            module = [node.module] if node.module else []
            names = [".".join([*module, alias.name]) for alias in node.names]
            root = file.parents[node.level - 1] if node.level else folder
        else:
            continue
        for name in names:
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                place = root.joinpath(*parts[:depth])
                loaded = getattr(sys.modules.get(".".join(parts[:depth])), "__file__", None)
                candidates = (place.with_suffix(".py"), place / "__init__.py", Path(loaded or place))
                yield from (path.resolve() for path in candidates if path.is_file())


def _digest(files: Mapping[str, Path]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        content = hashlib.sha256(files[name].read_bytes()).hexdigest()
        whole.update(f"{name} {content}\n".encode())
    return whole.hexdigest()
