"""Parameters of components: how a class declares its own, and types that several share."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from typing import Annotated, Any, Literal, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.dataclasses import dataclass


@dataclass_transform(kw_only_default=True)
class Parameterized:
    """Base of components whose YAML parameters are annotated fields: a subclass is a keyword-only dataclass.

    Values are validated by pydantic wherever the class is built, and inherited fields are documented where they are
    declared. What a component derives from its parameters belongs in ``__post_init__`` or in properties. A subclass
    with an ``__init__`` of its own keeps it; then its keyword-only arguments are the parameters.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        maker = next(base for base in cls.__mro__ if "__init__" in vars(base))
        if maker is object or "__dataclass_fields__" in vars(maker):
            dataclass(kw_only=True, eq=False, config=ConfigDict(extra="forbid", validate_default=True))(cls)


# Of no more digits than a person writes: the exact value of 1e999999999 would take all memory.
_SIZE = r"[+-]?([0-9]{1,60}(\.[0-9]{0,60})?|\.[0-9]{1,60})([eE][+-]?[0-9]{1,3})?|[+-]?[0-9]{1,60} */ *[0-9]{1,60}"
_SIZE_FORM = rf" *({_SIZE}) *"


def _pixels(value: object) -> float:
    """Reads "8/255", 0.5 or 1 as a size in pixel units on [0, 1]."""
    size = None
    with suppress(OverflowError, ZeroDivisionError):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = repr(float(value)) if number else value  # type: ignore[arg-type]
        if isinstance(text, str) and re.fullmatch(_SIZE_FORM, text):
            size = float(Fraction(text.replace(" ", "")))
    if size is None:
        raise ValueError('a size in pixels is a number or a fraction such as "8/255"')
    if not 0.0 <= size <= 1.0:
        raise ValueError("a size in pixels lies between 0 and 1 (images are on [0, 1]: 8 grey levels are 8/255)")
    return size


def pixels_text(size: float) -> str:
    """A size in pixel units for people: ``2/255`` for a whole number of grey levels, else four digits.

    For names that are shown; never for keys or seeds.
    """
    levels = size * 255
    whole = round(levels)
    return f"{whole}/255" if whole and abs(levels - whole) < 1e-9 else f"{size:.4g}"


_PIXELS_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0.0, "maximum": 1.0},
        {"type": "string", "pattern": f"^{_SIZE_FORM}$"},
    ]
}

Epsilon = Annotated[float, BeforeValidator(_pixels), WithJsonSchema(_PIXELS_SCHEMA, mode="validation")]
"""Size of a perturbation in pixel units on [0, 1]; suite files may write an exact fraction, "8/255"."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
"""How often something is done, or to how many: steps, restarts, draws, epochs. More never ends."""

Readout = Literal["mean", "last", "last_segment"]
"""How the logits of T steps become one answer; see :class:`robustbench_snn.model.classifier.Classifier`."""
