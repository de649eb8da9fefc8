"""How a suite file writes a component: as a name, ``{name: stf, kernel: 1}`` or ``{stf: {kernel: 1}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WrapSerializer

from robustbench_snn.strict import Strict


class ComponentSpec(Strict):
    """A component by name, with its parameters.

    Attributes:
        name: as it is registered.
        parameters: those that are given; the others keep their defaults.
        label: of an evaluation, the heading of its column in the table; of an encoder or backbone in a grid, its part
            of the model's name. The component's name if None.
    """

    name: str
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    label: str | None = None

    @property
    def title(self) -> str:
        """The label, or the name of a component without one."""
        return self.label or self.name


def _component(value: Any) -> Any:
    """Brings the three ways to write a component into one."""
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
    raise ValueError("write a component as a name, as {name: stf, kernel: 1} or as {stf: {kernel: 1}}")


def _short(component: ComponentSpec, handler: Any) -> Any:
    return {"name": component.name, **({"label": component.label} if component.label else {}), **component.parameters}


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Component = Annotated[ComponentSpec, BeforeValidator(_component), WrapSerializer(_short)]
"""A component in any of the three forms; written back as ``{name: ..., label: ..., parameter: ...}``."""

RecipeValues = Annotated[Mapping[str, Any], BeforeValidator(_named)]
"""A shipped recipe's name, or a mapping with values that replace its own (``{name: spikformer_cifar, epochs: 2}``)."""
