"""A loaded component, and its parameters as a pydantic model."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import docstring_parser
from pydantic import BaseModel, Field, ValidationError, create_model

from robustbench_snn.errors import Stopped, UserError, did_you_mean, raised, shortened, shown
from robustbench_snn.registry.declaration import Declaration, Traits
from robustbench_snn.registry.source import PACKAGE, source_of
from robustbench_snn.strict import Strict

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Component(Generic[T, Traits]):
    """A loaded component: its declaration and the class or function itself."""

    declaration: Declaration[Traits]
    implementation: T

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """A pydantic model of the keyword parameters, its defaults those of the preset; unknown keys are errors."""
        return parameter_model(self.implementation, self.declaration.name, self.declaration.preset)

    @property
    def is_outside(self) -> bool:
        """Whether it does not ship with this package."""
        return not self.implementation.__module__.startswith(PACKAGE)

    @cached_property
    def source(self) -> Mapping[str, str]:
        """What identifies the code of a component from outside; empty for those of this package."""
        return source_of(self.implementation)

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
            UserError: if a parameter is unknown, of the wrong type or out of range, or if a component from outside
                raises anything.
        """
        try:
            checked = self.validate(parameters)
        except ValidationError as error:
            raise UserError(f"{self.declaration.name}: {'; '.join(explain(error, self.parameters))}") from None
        for key, default in groups(self.implementation).items():
            given = {field.name: checked.pop(field.name) for field in dataclasses.fields(default) if field.init}
            checked[key] = dataclasses.replace(default, **given)
        if not self.is_outside:
            return self.implementation(*context, **checked)
        try:
            return self.implementation(*context, **checked)
        except (UserError, KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:  # an author's own code may even call sys.exit
            raise UserError(f"{self.declaration.name} cannot be made: {raised(error)}") from error


def parameter_model(target: Callable[..., Any], name: str, preset: Mapping[str, Any]) -> type[BaseModel]:
    """Builds a pydantic model from a component's keyword-only parameters, or from the fields of a dataclass.

    A keyword-only parameter whose default is a dataclass stands for the fields of that dataclass, each a parameter
    of its own: so several components share parameters and their documentation, each with its own defaults.

    Raises:
        TypeError: if the preset sets a parameter that the component does not have.
    """
    found = _dataclass_fields(target) if "__dataclass_fields__" in vars(target) else _keywords(target)
    if unknown := set(preset) - set(found):
        raise TypeError(f"preset {name} sets parameters that {target.__name__} does not have: {sorted(unknown)}")
    said = documented(target)
    fields: dict[str, Any] = {
        key: (hint, Field(preset.get(key, default), validate_default=True, description=said.get(key)))
        for key, (hint, default) in found.items()
    }
    return create_model(f"{name}_parameters", __base__=Strict, **fields)


def documented(target: Callable[..., Any]) -> dict[str, str]:
    """What the docstrings of a component say of its parameters; a class inherits what its bases say."""
    owners = [*(type(group) for group in groups(target).values()), target]
    holders = [base for owner in owners for base in (reversed(owner.__mro__) if inspect.isclass(owner) else [owner])]
    return {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for holder in holders
        for parameter in docstring_parser.parse(holder.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE).params
    }


def groups(target: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of those keyword-only parameters that are dataclasses, by the parameter's name."""
    if dataclasses.is_dataclass(target):
        return {}
    return {
        parameter.name: parameter.default
        for parameter in _keyword_only(target)
        if dataclasses.is_dataclass(parameter.default) and not isinstance(parameter.default, type)
    }


def _keyword_only(target: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(target.__init__ if inspect.isclass(target) else target).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]


def _keywords(target: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Type and default of every keyword-only parameter; no default is ``...``."""
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    shared = groups(target)
    found: dict[str, tuple[Any, Any]] = {}
    for parameter in _keyword_only(target):
        if parameter.name in shared:
            group = shared[parameter.name]
            fields = _dataclass_fields(type(group)).items()
            found |= {key: (hint, getattr(group, key)) for key, (hint, _) in fields}
        else:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            found[parameter.name] = (hints.get(parameter.name, Any), default)
    return found


def _dataclass_fields(target: Any) -> dict[str, tuple[Any, Any]]:
    """The same of a dataclass, whose inherited fields are annotated in other modules."""
    hints = typing.get_type_hints(target, include_extras=True)
    return {field.name: (hints[field.name], _default(field)) for field in dataclasses.fields(target) if field.init}


def _default(field: dataclasses.Field[Any]) -> Any:
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return ... if default is dataclasses.MISSING else default


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """All problems that pydantic found, a sentence each; the branches of a union are one problem."""
    by_path: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        names = _names(problem["loc"], whole=problem["type"] in ("extra_forbidden", "missing"))
        path = shortened(".".join(names))
        if problem["type"] == "extra_forbidden":
            known = sorted(model.model_fields)
            hint = did_you_mean(names[-1], known) or f" It takes: {', '.join(known) or 'no parameters'}."
            message = f"unknown parameter '{path}'.{hint}"
        elif problem["type"] == "missing":
            message = f"parameter '{path}' is required"
        else:
            text = shortened(problem["msg"].removeprefix("Value error, "))
            message = f"{path!r}: {text[:1].lower()}{text[1:]}, got {shown(problem['input'])}"
        by_path.setdefault(path, []).append(message)
    return ["; or ".join(dict.fromkeys(messages)) for messages in by_path.values()]


_BRANCHES = frozenset({"float", "int", "str", "bool", "list", "dict"})


def _names(location: tuple[str | int, ...], *, whole: bool) -> list[str]:
    """The keys on the way to a problem: the first is a parameter, and the last too where it is ``whole``."""
    first, *deeper = location or ("",)
    last = [deeper.pop()] if whole and deeper else []
    return [str(part) for part in (first, *(part for part in deeper if not _is_union_branch(part)), *last)]


def _is_union_branch(part: str | int) -> bool:
    """Whether pydantic put this part of a location there to say which branch of a union it tried."""
    return isinstance(part, str) and (not part.isidentifier() or part in _BRANCHES)
