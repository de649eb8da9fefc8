"""Every shipped attack, presets included, passes every check of the shipped kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from robustbench_snn.registry import attacks
from robustbench_snn.testing import check_attack

SHIPPED = [name for name in attacks if attacks.declaration(name).origin.startswith("robustbench_snn.")]
FEW: Mapping[str, Mapping[str, Any]] = {
    "apgd": {"steps": 2},
    "apgd_ce": {"steps": 6},
    "apgd_dlr": {"steps": 4},
    "apgd_t": {"steps": 4, "targets": 2},
    "cw": {"steps": 5, "search": 2, "rate": 0.05},
    "eot_pgd": {"steps": 1},
    "fab_t": {"steps": 2, "targets": 1},
    "mi_fgsm": {"steps": 3},
    "pgd": {"steps": 3},
    "rays": {"queries": 60},
    "sa_pgd": {"steps": 4},
    "spsa": {"steps": 2, "directions": 3},
    "square": {"queries": 30},
}


@pytest.mark.parametrize("name", SHIPPED)
def test_conformance(name: str) -> None:
    results = check_attack(name, **FEW.get(name, {}))
    failed = [f"{result.name}: {result.reason}" for result in results if not result.passed]
    assert not failed, "\n".join(failed)
