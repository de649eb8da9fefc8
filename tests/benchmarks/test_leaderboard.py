"""What a table of a thousand cells costs (``pytest --benchmark-only``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robustbench_snn.execution.standing import standing
from robustbench_snn.leaderboard.aggregation import make_table
from tests.many_cells import filled, planned


def test_a_table_of_a_thousand_cells(benchmark: Any, tmp_path: Path) -> None:
    plan = planned(models=10, columns=25)
    store = filled(plan, tmp_path)
    done = [(one.cell, one.record) for one in standing(plan, store) if one.record is not None]
    assert len(done) == 20 * (1 + 2 * 25)
    table, _ = benchmark.pedantic(lambda: make_table(plan, done, store), rounds=3, warmup_rounds=1)
    benchmark.extra_info["cells_per_second"] = len(done) / benchmark.stats["mean"]
    assert len(table.rows) == 10
