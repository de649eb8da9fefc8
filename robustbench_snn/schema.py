"""The JSON schema of suite files, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from robustbench_snn.registry import KINDS, Registry
from robustbench_snn.spec import SuiteSpec

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
    elif "anyOf" in entry:
        entry["anyOf"] = [{"$ref": reference}, {"type": "null"}]
    else:
        entry.pop("$ref", None)
        entry.pop("default", None)
        entry["allOf"] = [{"$ref": reference}]


def _component_schema(registry: Registry[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    options: list[dict[str, Any]] = [{"enum": registry.names()}]
    for name in registry:
        parameters = _lift(registry.get(name).parameters.model_json_schema(), definitions)
        summary = registry.declaration(name).summary
        options += _forms(name, parameters, summary)
    return {"anyOf": options}


def _forms(name: str, parameters: dict[str, Any], summary: str) -> list[dict[str, Any]]:
    """``{name: x, a: 1}`` and ``{x: {a: 1}}``."""
    label = {"label": {"type": "string", "description": "title of the column"}}
    flat = {"name": {"const": name}, **label, **parameters.get("properties", {})}
    nested = {"type": ["object", "null"], "properties": {**label, **parameters.get("properties", {})}}
    closed = {"additionalProperties": False}
    required = parameters.get("required", [])
    return [
        {"type": "object", "description": summary, "properties": flat, "required": ["name", *required], **closed},
        {
            "type": "object",
            "description": summary,
            "properties": {name: {**nested, "required": required, **closed}},
            "required": [name],
            **closed,
        },
    ]


def _recipe_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    from robustbench_snn.training import Recipe, recipe_names

    parameters = _lift(Recipe.model_json_schema(), definitions)
    parameters["required"] = []
    parameters["properties"].pop("name", None)
    return {
        "anyOf": [
            {"enum": recipe_names()},
            *(form for name in recipe_names() for form in _forms(name, parameters, "training recipe")),
        ]
    }


def _lift(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Moves a component's own definitions to the top, where its references point."""
    definitions.update(schema.pop("$defs", {}))
    return schema
