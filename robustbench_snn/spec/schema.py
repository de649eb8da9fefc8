"""The JSON schema of suite files, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from robustbench_snn.registry import KINDS, Registry
from robustbench_snn.registry.spec import COMPONENTS
from robustbench_snn.spec.suite import SuiteSpec

_PLACES = {
    "dataset": "datasets",
    "backbone": "backbones",
    "encoder": "encoders",
    "model": "models",
    "evaluations": "evaluations",
    "encoders": "encoders",
    "backbones": "backbones",
}
"""Which registry a key of the suite names components of."""


def suite_schema() -> dict[str, Any]:
    """The schema of suite files, with the names and parameters of all components known here."""
    schema = SuiteSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "robustbench_snn suite"
    definitions = schema["$defs"]
    for kind, registry in KINDS.items():
        definitions[kind] = _component_schema(registry, definitions)
    definitions["recipe"] = _recipe_schema(definitions)
    for holder in (schema, definitions["ModelSpec"], definitions["GridSpec"]):
        for key, entry in holder["properties"].items():
            if key in _PLACES:
                _point(entry, f"#/$defs/{_PLACES[key]}")
            elif key == "recipe":
                _point(entry, "#/$defs/recipe")
    return schema


def _point(entry: dict[str, Any], reference: str) -> None:
    """Replaces the general component of a property by the one of its registry."""
    if entry.get("type") == "array":
        entry["items"] = {"$ref": reference}
    else:
        optional = {"type": "null"} in entry.get("anyOf", [])
        entry.clear()
        entry["anyOf"] = [{"$ref": reference}, *([{"type": "null"}] if optional else [])]


def _component_schema(registry: Registry[Any, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A name, ``{name: x, a: 1}`` or ``{x: {a: 1}}``."""
    options: list[dict[str, Any]] = [{"enum": registry.names()}]
    for name in registry:
        component = registry.get(name)
        parameters = _lift(component.parameters.model_json_schema(), definitions)
        column: dict[str, Any] = {"label": {"type": "string", "description": "title of the column"}}
        if registry.kind == "evaluation":
            column["limit"] = {"type": "integer", "minimum": 1, "description": "use the first so many test samples"}
        elsewhere = {"eps"} if getattr(component.implementation, "borrows_ball", False) else set()
        own = {
            "type": "object",
            "description": registry.declaration(name).summary,
            "properties": {
                "name": {"const": name},
                **column,
                **parameters.get("properties", {}),
            },
            "required": [field for field in parameters.get("required", []) if field not in elsewhere],
            "additionalProperties": False,
        }
        place = f"{registry.kind}.{name}"
        definitions[place] = _without_titles(own)
        reference = {"$ref": f"#/$defs/{place}"}
        nested = reference if own["required"] else {"anyOf": [reference, {"type": "null"}]}
        options.append({"allOf": [reference], "required": ["name"]})
        options.append(
            {"type": "object", "properties": {name: nested}, "required": [name], "additionalProperties": False}
        )
    return {"anyOf": options}


def _recipe_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    """A name, or values in place of a named recipe's or of the defaults."""
    from robustbench_snn.training import Recipe, recipes

    values = _without_titles(_lift(Recipe.model_json_schema(), definitions))
    values["properties"]["name"] = {"enum": recipes.names()}
    return {"anyOf": [{"enum": recipes.names()}, values]}


def _lift(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Moves a component's own definitions to the top, where its references point."""
    definitions.update(schema.pop("$defs", {}))
    resolved: dict[str, Any] = _refer(schema)
    return resolved


def _refer(node: Any) -> Any:
    """Puts a reference to a kind's components wherever a parameter takes one of them."""
    if isinstance(node, list):
        return [_refer(item) for item in node]
    if not isinstance(node, dict):
        return node
    if COMPONENTS in node:
        kept = {key: value for key, value in node.items() if key in ("default", "description")}
        return {"anyOf": [{"$ref": f"#/$defs/{node[COMPONENTS]}"}], **kept}
    return {key: _refer(value) for key, value in node.items()}


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the titles that pydantic makes of field names: they say nothing and double the file."""
    properties = {
        name: {key: value for key, value in entry.items() if key != "title"}
        for name, entry in schema["properties"].items()
    }
    return {key: value for key, value in schema.items() if key != "title"} | {"properties": properties}
