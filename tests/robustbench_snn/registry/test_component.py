"""Parameters that several components share, in a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import Field

from robustbench_snn.errors import UserError
from robustbench_snn.registry import Component, Declaration


@dataclass(frozen=True, kw_only=True)
class Size:
    """What several components share.

    Attributes:
        depth: how deep.
        fixed: no parameter.
        width: how wide.
    """

    depth: Annotated[int, Field(ge=1)]
    fixed: str = field(default="always", init=False)
    width: int = 8


class Sized:
    """Takes a size.

    Args:
        context: what is not a parameter.
        size: of the component.
        width: how wide, here.
        last: a parameter of its own.
    """

    def __init__(self, context: str, *, first: int = 0, size: Size = Size(depth=2), last: float = 0.5) -> None:
        self.context, self.first, self.size, self.last = context, first, size, last


def component(**preset: Any) -> Component[type[Sized], None]:
    return Component(Declaration("sized", 1, "Takes a size", "here", None, preset), Sized)


def test_a_dataclass_as_default_stands_for_its_fields() -> None:
    assert list(component().validate({}).items()) == [("first", 0), ("depth", 2), ("width", 8), ("last", 0.5)]
    made = component().create("c", depth=4, last=1.0)
    assert (made.context, made.first, made.size, made.last) == ("c", 0, Size(depth=4), 1.0)


def test_a_preset_sets_a_shared_parameter() -> None:
    assert component(depth=5).create("c", width=6).size == Size(depth=5, width=6)
    with pytest.raises(TypeError, match="sets parameters that Sized does not have"):
        _ = component(fixed="never").parameters


def test_shared_parameters_are_described_where_they_are_declared() -> None:
    described = component().parameters.model_json_schema()["properties"]
    assert described["depth"]["description"] == "how deep."
    assert described["depth"]["minimum"] == 1
    assert described["width"]["description"] == "how wide, here.", "the component's own words come first"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"depth": 0}, "'depth': input should be greater than or equal to 1, got 0"),
        ({"size": {"depth": 1}}, "unknown parameter 'size'"),
        ({"fixed": "never"}, "unknown parameter 'fixed'"),
    ],
)
def test_wrong_parameters_get_a_message(parameters: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        component().create("c", **parameters)
