"""A component as people write it: one grammar, one parser, one message, wherever a name with parameters stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_serializer,
)

from robustbench_snn.errors import UserError, shown
from robustbench_snn.registry import KINDS
from robustbench_snn.registry.component import explain
from robustbench_snn.strict import Strict

FORMS = "write a component as a name, as {name: stf, kernel: 1} or as {stf: {kernel: 1}}"


class ComponentSpec(Strict):
    """A component by name, with parameters; of an evaluation also its column's label and its samples."""

    name: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    label: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None  # an evaluation's: how many of the test samples it takes
    kind: str | None = None  # where the place that it stands at says so, in the plural; not written

    @property
    def title(self) -> str:
        """The label, or the name of a component without one."""
        return self.label or self.name

    @model_serializer
    def _shortest(self) -> Any:
        """The shortest form that is read back as the same: a name, or one name with parameters."""
        column = {"label": self.label, "limit": self.limit}
        rest = {name: value for name, value in column.items() if value} | dict(self.parameters)
        return {self.name: rest} if rest else self.name

    def create(self, kind: str, *context: Any) -> Any:
        """Builds the component.

        Args:
            kind: which registry, in the plural: ``attacks``.
            context: what the kind passes besides the parameters.

        Raises:
            UserError: if the name or a parameter is unknown, or a value out of range.
        """
        return KINDS[kind].create(self.name, *context, **self.parameters)


def parse(value: Any) -> Any:
    """Brings the three ways to write a component into one; pydantic checks the rest."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, ComponentSpec):
        return value
    if isinstance(value, Mapping) and "name" in value:
        rest = {key: item for key, item in value.items() if key not in ("name", "label")}
        return {"name": value["name"], "label": value.get("label"), "parameters": rest}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, parameters),) = value.items()
        if parameters is None or isinstance(parameters, Mapping):
            rest = dict(parameters or {})
            return {"name": name, "label": rest.pop("label", None), "parameters": rest}
    raise ValueError(FORMS)


def _parse_evaluation(value: Any) -> Any:
    """As :func:`parse`; ``limit`` is how many samples an evaluation takes, never a parameter of its own."""
    found = parse(value)
    if isinstance(found, ComponentSpec):
        return found
    parameters = dict(found.get("parameters", {}))
    return {**found, "limit": parameters.pop("limit", None), "parameters": parameters}


WrittenComponent = Annotated[ComponentSpec, BeforeValidator(parse)]
"""A component in any of its written forms; whether there is one of that name is not checked."""

WrittenEvaluation = Annotated[ComponentSpec, BeforeValidator(_parse_evaluation)]
"""An evaluation likewise, on the first ``limit`` test samples or on all."""

_ADAPTER: TypeAdapter[ComponentSpec] = TypeAdapter(WrittenComponent)
_EVALUATION: TypeAdapter[ComponentSpec] = TypeAdapter(WrittenEvaluation)


def component_spec(value: Any) -> ComponentSpec:
    """Reads a component from plain data.

    Raises:
        UserError: if it is in none of the forms.
    """
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError:
        raise UserError(f"{FORMS}, not {shown(value)}") from None


def evaluation_spec(value: Any) -> ComponentSpec:
    """Reads an evaluation of a suite from plain data.

    Raises:
        UserError: if it is in none of the forms, or takes no whole number of samples.
    """
    try:
        return _EVALUATION.validate_python(value)
    except ValidationError as error:
        if any(found["loc"][:1] == ("limit",) for found in error.errors()):
            raise UserError(
                f"limit is how many test samples an evaluation takes, 1 or more, in {shown(value)}"
            ) from None
        raise UserError(f"{FORMS}, not {shown(value)}") from None


def problems(kind: str, component: ComponentSpec) -> list[str]:
    """What is wrong with a component's name or parameters, a sentence each; empty if nothing is.

    Args:
        kind: which registry, in the plural: ``attacks``.
        component: as it was written.
    """
    try:
        found = KINDS[kind].get(component.name)
        found.validate(component.parameters)
    except UserError as error:
        return [str(error)]
    except ValidationError as error:
        return explain(error, found.parameters)
    return []


def named_in(value: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of every component that parameters name, however deep."""
    if isinstance(value, ComponentSpec):
        if value.kind is not None:
            yield value.kind, value.name
            yield from named_in(KINDS[value.kind].get(value.name).validate(value.parameters))
    elif hasattr(value, "components"):
        yield from value.components()
    elif isinstance(value, BaseModel):
        yield from named_in([getattr(value, name) for name in type(value).model_fields])
    elif isinstance(value, Mapping):
        yield from named_in(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from named_in(item)


def _known(kind: str) -> Callable[[ComponentSpec], ComponentSpec]:
    def check(component: ComponentSpec) -> ComponentSpec:
        if found := problems(kind, component):
            raise ValueError("; ".join(found))
        return component.model_copy(update={"kind": kind})

    return check


COMPONENTS = "x-components"
"""Key of a JSON schema that says which kind of component a parameter takes."""


def _schema(kind: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}], COMPONENTS: kind})


AttackSpec: TypeAlias = Annotated[
    ComponentSpec, BeforeValidator(parse), AfterValidator(_known("attacks")), _schema("attacks")
]
"""An attack: ``pgd``, or ``{sa_pgd: {steps: 200}}``."""

TRAINING = ComponentSpec(name="training", kind="estimators")
"""The model's own backward pass: the estimator where a suite file names none."""

EstimatorSpec: TypeAlias = Annotated[
    ComponentSpec, BeforeValidator(parse), AfterValidator(_known("estimators")), _schema("estimators")
]
"""A gradient estimator: ``training``, or ``{atan: {alpha: 10}}``."""

DatasetSpec: TypeAlias = Annotated[
    ComponentSpec, BeforeValidator(parse), AfterValidator(_known("datasets")), _schema("datasets")
]
"""A dataset: ``cifar10``, or ``{name: cifar10, root: ...}``."""
