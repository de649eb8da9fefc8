"""Every shipped estimator passes every check of the shipped kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from robustbench_snn.registry import estimators
from robustbench_snn.testing import check_estimator

SHIPPED = [name for name in estimators if estimators.declaration(name).origin.startswith("robustbench_snn.")]
CHANGED: list[tuple[str, Mapping[str, Any]]] = [("hart", {"surrogate": "atan"}), ("atan", {"alpha": 10.0})]


@pytest.mark.parametrize(("name", "parameters"), [*((name, {}) for name in SHIPPED), *CHANGED])
def test_conformance(name: str, parameters: Mapping[str, Any]) -> None:
    results = check_estimator(name, **parameters)
    failed = [f"{result.name}: {result.reason}" for result in results if not result.passed]
    assert not failed, "\n".join(failed)
