"""What is wrong with a published version: which file, row and column, what should be there, and what is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CLOSE = 1e-7
"""By how much a number may differ from the one that this machine computes, relative to 1 or to itself."""


@dataclass(frozen=True)
class Finding:
    """A disagreement.

    Attributes:
        file: of the version.
        row: model, record key or line; empty where the whole file is meant.
        column: evaluation label and field, or what else is compared.
        expected: what should be there.
        found: what is there.
    """

    file: str
    row: str
    column: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, self.row, self.column) if part)
        return f"{place}: expected {_short(self.expected)}, found {_short(self.found)}"


def differences(file: str, row: str, expected: Any, found: Any, column: str = "") -> Iterator[Finding]:
    """Every place where two JSON values disagree; numbers may differ by rounding.

    Args:
        file: of the finding.
        row: of the finding.
        expected: what should be there.
        found: what is there.
        column: where the two values stand, as a path.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in sorted({*expected, *found}):
            inner = f"{column}/{name}" if column else str(name)
            yield from differences(file, row, expected.get(name), found.get(name), inner)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
            yield from differences(file, row, ours, theirs, f"{column}[{index}]")
    elif not _equal(expected, found):
        yield Finding(file, row, column, expected, found)


def _equal(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and isinstance(found, float | int) and not isinstance(found, bool):
        return math.isclose(expected, found, rel_tol=CLOSE, abs_tol=CLOSE)
    return type(expected) is type(found) and bool(expected == found)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
