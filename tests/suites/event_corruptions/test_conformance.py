"""Every shipped corruption of event data passes every check of the shipped kit."""

from __future__ import annotations

import pytest

from robustbench_snn.corruption.event_contract import ALL, ON_FRAMES
from robustbench_snn.registry import event_corruptions
from robustbench_snn.testing import check_event_corruption

SHIPPED = [n for n in event_corruptions if event_corruptions.declaration(n).origin.startswith("robustbench_snn.")]


@pytest.mark.parametrize("name", SHIPPED)
def test_conformance(name: str) -> None:
    failed = [f"{result.name}: {result.reason}" for result in check_event_corruption(name) if not result.passed]
    assert not failed, "\n".join(failed)


def test_the_sets_hold_what_ships() -> None:
    assert sorted(ALL) == sorted(SHIPPED)
    declared = {name: event_corruptions.declaration(name).traits for name in SHIPPED}
    assert sorted(ON_FRAMES) == [name for name in SHIPPED if declared[name].on == "frames"]
