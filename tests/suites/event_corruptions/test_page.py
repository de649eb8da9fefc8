"""The page says of every type what it acts on and with which parameters."""

from __future__ import annotations

import re
from pathlib import Path

from robustbench_snn.corruption.event_contract import ALL
from robustbench_snn.registry import event_corruptions

PAGE = Path(__file__).resolve().parents[3] / "docs/event-corruptions.md"


def test_the_table_has_the_declared_parameters() -> None:
    stated: dict[str, tuple[str, list[list[float]]]] = {}
    for line in re.findall(r"^\| (?:`\w+`)? *\|.*$", PAGE.read_text(), re.MULTILINE):
        name, on, _, values = (cell.strip() for cell in line.strip("|").split("|")[:4])
        if name:
            stated[name.strip("`")] = (on, [])
        list(stated.values())[-1][1].append([float(value) for value in values.split(",")])
    assert list(stated) == list(ALL)
    for name, (on, columns) in stated.items():
        traits = event_corruptions.declaration(name).traits
        assert (on, [list(row) for row in zip(*columns, strict=True)]) == (traits.on, [*map(list, traits.severities)])
