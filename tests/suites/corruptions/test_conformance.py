"""Every shipped corruption passes every check of the shipped kit."""

from __future__ import annotations

import pytest

from robustbench_snn.registry import corruptions
from robustbench_snn.testing import check_corruption
from robustbench_snn.testing.corruption import NOT_RISING

SHIPPED = [name for name in corruptions if corruptions.declaration(name).origin.startswith("robustbench_snn.")]


@pytest.mark.parametrize("name", SHIPPED)
def test_conformance(name: str) -> None:
    failed = [f"{result.name}: {result.reason}" for result in check_corruption(name) if not result.passed]
    assert not failed, "\n".join(failed)


def test_exceptions_are_of_shipped_corruptions() -> None:
    assert set(NOT_RISING) <= set(SHIPPED)
