"""One mechanism for every kind of component: a folder is scanned, a decorator names the class or function.

A component is one file. Its decorator gives the name; the keyword-only parameters of the class or function are
its YAML parameters, validated by their annotations. Names, summaries and traits are read from the syntax tree,
so that listing and did-you-mean never import torch; a file is imported when its component is first used.

Components from outside come by entry point (group ``robustbench_snn.<kind>s``) or by :func:`load_plugin`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean

T = TypeVar("T", bound=Callable[..., Any])

ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Declaration:
    """What a decorator says of a component; readable without importing the component's file.

    Attributes:
        name: the name in suite files.
        version: raised by its author whenever the component's numbers change; part of every cell's key.
        summary: first line of the docstring.
        traits: the kind's own facts (an encoder's ``stochastic``, ``causal``, ...).
        preset: parameters that this name fixes as new defaults; empty for the component itself.
        origin: the module or file that holds it.
    """

    name: str
    version: int
    summary: str
    origin: str
    traits: Mapping[str, Any] = field(default_factory=dict)
    preset: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Component(Generic[T]):
    """A loaded component: its declaration and the class or function itself."""

    declaration: Declaration
    target: T

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """A pydantic model of the keyword parameters, its defaults those of the preset; unknown keys are errors."""
        return parameter_model(self.target, self.declaration.name, self.declaration.preset)

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Returns all parameters, defaults filled in.

        Raises:
            pydantic.ValidationError: if a key is unknown or a value is out of its type or range.
        """
        model = self.parameters.model_validate(dict(parameters))
        return {name: getattr(model, name) for name in self.parameters.model_fields}

    def create(self, *context: Any, **parameters: Any) -> Any:
        """Calls the component with validated parameters; ``context`` is what the kind passes positionally.

        Raises:
            UserError: if a parameter is unknown, of the wrong type or out of range.
        """
        try:
            checked = self.validate(parameters)
        except ValidationError as error:
            raise UserError(f"{self.declaration.name}: {'; '.join(explain(error, self.parameters))}") from None
        return self.target(*context, **checked)


class Registry(Generic[T]):
    """All components of one kind, resolved by name when first asked for.

    Args:
        kind: singular noun, as in error messages and in ``rbsnn list``; the decorator is ``register_<kind>``.
        package: dotted package that is scanned, with its sub-packages.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self.group = f"robustbench_snn.{kind}s"
        self._loaded: dict[str, Component[T]] = {}

    def register(
        self,
        name: str,
        *,
        version: int,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        **traits: Any,
    ) -> Callable[[T], T]:
        """Decorator that puts a class or function under ``name``, and under each preset's name.

        All arguments must be literals: listings read them from the source without importing it.
        """

        def decorate(target: T) -> T:
            for key, preset in {name: {}, **(presets or {})}.items():
                declaration = Declaration(
                    key, version, _summary(inspect.getdoc(target)), target.__module__, traits, dict(preset)
                )
                self._add(Component(declaration, target))
            return target

        return decorate

    def _add(self, component: Component[T]) -> None:
        name = component.declaration.name
        before = self._loaded.get(name)
        ours = self._scanned.get(name)
        origins = {entry.origin for entry in (before.declaration if before else None, ours) if entry}
        if origins - {component.declaration.origin}:
            raise UserError(
                f"{self.kind} '{name}' of {component.declaration.origin} is already registered by "
                f"{', '.join(sorted(origins))}; give it another name"
            )
        self._loaded[name] = component

    @cached_property
    def _scanned(self) -> dict[str, Declaration]:
        """Declarations found in the source files of the package."""
        folder = ROOT.joinpath(*self.package.split(".")[1:])
        found: dict[str, Declaration] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            module = ".".join((self.package, *parts)).removesuffix(".__init__")
            for declaration in _declarations(path, f"register_{self.kind}", module):
                found[declaration.name] = declaration
        return found

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """All known names, sorted: shipped, from entry points, and from plug-ins loaded so far."""
        return sorted({*self._scanned, *self._entry_points, *self._loaded})

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._loaded or name in self._scanned or name in self._entry_points

    def declaration(self, name: str) -> Declaration:
        """What is known of a component; imports nothing if it ships with the package."""
        return self._scanned[name] if name in self._scanned else self.get(name).declaration

    def get(self, name: str) -> Component[T]:
        """Imports the component of this name if need be and returns it.

        Raises:
            UnknownNameError: if there is none, with the nearest name.
        """
        if name not in self._loaded:
            if name in self._scanned:
                importlib.import_module(self._scanned[name].origin)
            elif name in self._entry_points:
                self._load_entry_point(self._entry_points[name])
            else:
                raise UnknownNameError(
                    f"Unknown {self.kind} '{name}'.{did_you_mean(name, self.names())} (rbsnn list {self.kind}s)"
                )
        return self._loaded[name]

    def _load_entry_point(self, point: EntryPoint) -> None:
        try:
            point.load()
        except Exception as error:  # a third party's import may fail in any way
            raise UserError(f"{self.kind} '{point.name}' of {point.value} cannot be imported: {error}") from error
        if point.name not in self._loaded:
            raise UserError(
                f"the entry point {point.name} = {point.value} in group {self.group} registers no "
                f"{self.kind} '{point.name}'; decorate it with @register_{self.kind}({point.name!r}, ...)"
            )

    def create(self, name: str, *context: Any, **parameters: Any) -> Any:
        """Shorthand for ``get(name).create(*context, **parameters)``."""
        return self.get(name).create(*context, **parameters)


def load_plugin(path: str | Path) -> None:
    """Imports a Python file that the user named, so that its decorators register what it holds.

    Raises:
        UserError: if the file is missing or fails to import.
    """
    file = Path(path).resolve()
    name = f"robustbench_snn_plugin_{file.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(file):
        return
    if not file.is_file():
        raise UserError(f"plug-in {path} is not a file; --plugin takes the path of a .py file")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plug-in {path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except UserError:
        del sys.modules[name]
        raise
    except Exception as error:  # the user's own code may fail in any way
        del sys.modules[name]
        raise UserError(f"plug-in {path} cannot be imported: {type(error).__name__}: {error}") from error


def parameter_model(target: Callable[..., Any], name: str, preset: Mapping[str, Any]) -> type[BaseModel]:
    """Builds a pydantic model from the keyword-only parameters of a class or function."""
    function = target.__init__ if inspect.isclass(target) else target
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            default = preset.get(parameter.name, default)
            fields[parameter.name] = (hints.get(parameter.name, Any), Field(default, validate_default=True))
    if unknown := set(preset) - set(fields):
        raise TypeError(f"preset {name} sets parameters that {target.__name__} does not have: {sorted(unknown)}")
    return create_model(f"{name}_parameters", __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """All problems that pydantic found, a sentence each; the branches of a union are one problem."""
    by_path: dict[str, list[str]] = {}
    for problem in error.errors():
        names = [str(part) for part in problem["loc"] if not _is_union_branch(part)]
        path = ".".join(names)
        if problem["type"] == "extra_forbidden":
            known = sorted(model.model_fields)
            hint = did_you_mean(names[-1], known) or f" It takes: {', '.join(known) or 'no parameters'}."
            message = f"unknown parameter '{path}'.{hint}"
        elif problem["type"] == "missing":
            message = f"parameter '{path}' is required"
        else:
            text = problem["msg"].removeprefix("Value error, ")
            message = f"'{path}': {text[0].lower()}{text[1:]}, got {problem['input']!r}"
        by_path.setdefault(path, []).append(message)
    return ["; or ".join(dict.fromkeys(messages)) for messages in by_path.values()]


_BRANCHES = frozenset({"float", "int", "str", "bool", "list", "dict"})


def _is_union_branch(part: str | int) -> bool:
    """Whether pydantic put this part of a location there to say which branch of a union it tried."""
    return isinstance(part, str) and (not part.isidentifier() or part in _BRANCHES)


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n", 1)[0].rstrip(".")


def _declarations(path: Path, decorator: str, module: str) -> Iterator[Declaration]:
    """Reads the registrations of one file from its syntax tree."""
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
            for key, preset in {name: {}, **presets}.items():
                yield Declaration(
                    key, version, _summary(ast.get_docstring(node)), module, MappingProxyType(facts), preset
                )


encoders: Registry[Any] = Registry("encoder", "robustbench_snn.encoders")
backbones: Registry[Any] = Registry("backbone", "robustbench_snn.backbones")
evaluations: Registry[Any] = Registry("evaluation", "robustbench_snn.suites")
models: Registry[Any] = Registry("model", "robustbench_snn.models")
datasets: Registry[Any] = Registry("dataset", "robustbench_snn.datasets")
corruptions: Registry[Any] = Registry("corruption", "robustbench_snn.suites.corruptions")
estimators: Registry[Any] = Registry("estimator", "robustbench_snn.suites.estimators")
attacks: Registry[Any] = Registry("attack", "robustbench_snn.suites.attacks")

KINDS: Mapping[str, Registry[Any]] = MappingProxyType(
    {
        f"{registry.kind}s": registry
        for registry in (encoders, backbones, models, evaluations, datasets, corruptions, estimators, attacks)
    }
)
