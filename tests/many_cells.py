"""Suites of many cells with all of their records, as docs/scripts/cost_of_many_cells.py makes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from robustbench_snn.dataset import load_dataset
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.store.store import Store

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "scripts" / "cost_of_many_cells.py"


def planned(models: int, columns: int, seeds: int = 2) -> Plan:
    """Models with so many trainings each, and columns of two cells a training."""
    suite = _script().suite_of(models * seeds * (1 + 2 * columns), models, seeds, 2)
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


def filled(plan: Plan, folder: Path) -> Store:
    """A store with a sound record for every cell."""
    _script().fill(plan, Store(folder))
    return Store(folder)


def _script() -> Any:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
