"""The base class of everything that is read from files."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_NO_TYPES = frozenset({"default", "metadata", "keys_schema", "serialization", "expected"})
"""Parts of a pydantic schema that hold no types of values; keys of a mapping are text in JSON, so they stay lenient."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("input should be a number")
    return value


def _strictly(node: Any) -> Any:
    """The schema with its numbers made strict, however deep in unions and lists."""
    if isinstance(node, list | tuple):
        return type(node)(_strictly(item) for item in node)
    if not isinstance(node, dict):
        return node
    found = {key: value if key in _NO_TYPES else _strictly(value) for key, value in node.items()}
    if found.get("type") == "int":
        return found | {"strict": True}
    if found.get("type") == "float":
        return core_schema.no_info_before_validator_function(_no_truth, found)
    return found


class Strict(BaseModel):
    """Frozen; an unknown key is an error, and so is ``true`` for a number, or anything but one for a whole number.

    Text for a real number is read: YAML 1.1 takes ``1e-3``, without a point, for text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic makes of the annotations, with strict numbers."""
        schema: CoreSchema = _strictly(handler(source))
        return schema
