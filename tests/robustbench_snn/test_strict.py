"""Numbers are numbers in all that is read from files: true is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from robustbench_snn.strict import Strict


class Inner(Strict):
    steps: int = 1


class Outer(Strict):
    inner: Inner = Inner()
    count: Annotated[int, Field(ge=1, le=4)] | None = None
    several: list[int] | Literal["auto"] = "auto"
    share: Annotated[float, Field(gt=0)] | None = None
    switch: bool | str = False
    by_severity: Mapping[int, float] = {}


@pytest.mark.parametrize(
    "data",
    [
        {"inner": {"steps": True}},
        {"count": True},
        {"count": "3"},
        {"count": 5},
        {"several": [1, True]},
        {"share": True},
        {"by_severity": {1: True}},
        {"unknown": 1},
    ],
)
def test_what_is_no_number_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(data)


def test_numbers_texts_of_real_numbers_and_json_are_read() -> None:
    read = Outer.model_validate({"count": 3, "share": "1e-3", "switch": True, "several": [2]})
    assert (read.count, read.share, read.switch, read.several) == (3, 0.001, True, [2])
    assert Outer.model_validate_json('{"by_severity": {"1": 1}}').by_severity == {1: 1.0}


def test_the_schema_says_the_same_as_without() -> None:
    schema = Outer.model_json_schema()["properties"]
    assert schema["count"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 4}
    assert schema["share"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0}
