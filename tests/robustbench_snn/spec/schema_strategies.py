"""Hypothesis strategies that follow a JSON schema, as far as the schema of suites goes."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

_TEXT = st.text(string.ascii_letters + string.digits + " .:/-_{}[]#&*!'\"é", max_size=12)


class Following:
    """Makes strategies for the parts of a schema.

    Args:
        root: the whole schema, which references point into.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._made: dict[str, st.SearchStrategy[Any]] = {}

    def definition(self, name: str) -> st.SearchStrategy[Any]:
        """Values of one of the schema's definitions."""
        if name not in self._made:
            self._made[name] = st.deferred(lambda: self.of(self._root["$defs"][name]))
        return self._made[name]

    def of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        """Values that a schema allows.

        Raises:
            NotImplementedError: for a schema of a form that is not known here.
        """
        if "$ref" in schema:
            return self.definition(schema["$ref"].removeprefix("#/$defs/"))
        if "allOf" in schema:
            (whole,) = schema["allOf"]
            target = self._root["$defs"][whole["$ref"].removeprefix("#/$defs/")]
            return self.of({**target, "required": [*target.get("required", []), *schema["required"]]})
        if "anyOf" in schema:
            return st.one_of(*map(self.of, schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            allowed = schema.get("enum", [schema.get("const")])
            return st.sampled_from(allowed) if allowed else st.nothing()  # no model ships
        low, high = (_bound(schema, name, far) for name, far in (("inimum", 0), ("aximum", 2**20)))
        match schema.get("type"):
            case "object":
                return _objects(schema, self.of)
            case "array":
                least = schema.get("minItems", 0)
                return st.lists(self.of(schema["items"]), min_size=least, max_size=least + 1)
            case "string":
                return st.from_regex(schema["pattern"], fullmatch=True) if "pattern" in schema else _TEXT
            case "integer":
                return st.integers(low + ("exclusiveMinimum" in schema), high - ("exclusiveMaximum" in schema))
            case "number":
                inner = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
                return st.floats(low, high, exclude_min=inner[0], exclude_max=inner[1])
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
        raise NotImplementedError(schema)


def _bound(schema: Mapping[str, Any], name: str, far: int) -> Any:
    """The smallest or largest number, included or not."""
    letter = "m" if f"m{name}" in schema else "exclusiveM"
    return schema.get(f"{letter}{name}", far)


def _objects(schema: Mapping[str, Any], of: Callable[[Mapping[str, Any]], Any]) -> st.SearchStrategy[dict[str, Any]]:
    def later(part: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.deferred(lambda: of(part))

    properties = {name: later(part) for name, part in schema.get("properties", {}).items()}
    required = list(dict.fromkeys(schema.get("required", [])))
    optional = [name for name in properties if name not in required]
    more = schema.get("additionalProperties")

    @st.composite
    def objects(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(optional), max_size=2, unique=True)) if optional else []
        found = {name: draw(properties[name]) for name in [*required, *chosen]}
        return found | (draw(st.dictionaries(_TEXT, of(more), max_size=1)) if isinstance(more, dict) else {})

    return objects()


HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    [True, None, -1, 0, 2**62, 0.5, 1e308, "", "x", "8/255", "1e999999999", "²", [], {}, [[]], {"name": 1}, {"a": {}}]
)


@st.composite
def nearly(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> Any:
    """Values with one key taken away, or one put in another's place."""
    value = draw(valid)
    places = list(_places(value))
    if places:
        holder, key = draw(st.sampled_from(places))
        if draw(st.booleans()):
            holder[key] = draw(HOSTILE)
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(["float", "name", "eps", "a-b", ""]))] = holder.pop(key)
    return value


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])
