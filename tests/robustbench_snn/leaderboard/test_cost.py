"""What is done for a suite, from its plan to its table, grows with its cells and no faster: counted, not timed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.execution.schedule import Schedule
from robustbench_snn.execution.standing import counted, standing
from robustbench_snn.leaderboard import assessment
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.plan import keys
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.registry.component import Component
from robustbench_snn.store.records import Record
from tests.many_cells import filled, planned

LOOKS, CREATED, DIGESTS, COMPARED = "looks at cells", "components created", "digests", "comparisons"


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    found: Counter[str] = Counter()

    def watch(owner: Any, name: str, what: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            found[what] += 1
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, counting)

    watch(TrainCell, "__getattribute__", LOOKS)
    watch(EvaluateCell, "__getattribute__", LOOKS)
    watch(Component, "create", CREATED)
    watch(keys, "json_digest", DIGESTS)
    watch(assessment, "compare", COMPARED)
    return found


def way_of_a_suite(models: int, columns: int, folder: Path, counts: Counter[str]) -> tuple[int, Counter[str]]:
    """Number of cells, and what a run that finds them all done has counted."""
    store = filled(planned(models, columns), folder)
    counts.clear()
    plan = planned(models, columns)
    standings = standing(plan, store)
    assert counted(standings).done == len(plan.cells)
    records = {id(one.cell): one.record for one in standings}
    schedule, done = Schedule(plan), list[tuple[Cell, Record]]()
    waiting = deque(schedule.first())
    while waiting:
        cell = waiting.popleft()
        record = records[id(cell)]
        assert record is not None
        done.append((cell, record))
        waiting.extend(schedule.after(cell, record))
    table, _ = make_table(plan, done, store)
    assert [len(row.cells) for row in table.rows] == [columns] * models
    assert all(row.cells[label].rank for row in table.rows for label in table.columns)
    return len(done), Counter(counts)


@pytest.mark.parametrize("larger", [(14, 3), (7, 6)], ids=["models", "evaluations"])
def test_twice_the_cells_are_twice_the_work(larger: tuple[int, int], tmp_path: Path, counts: Counter[str]) -> None:
    cells, before = way_of_a_suite(7, 3, tmp_path / "small", counts)
    more, after = way_of_a_suite(*larger, tmp_path / "large", counts)
    assert more / cells == pytest.approx(2, abs=0.2)
    assert set(before) == {LOOKS, CREATED, DIGESTS, COMPARED}
    for what in before:
        assert after[what] / before[what] <= 2.2, f"{what}: {before[what]} for {cells} cells, {after[what]} for {more}"


def test_each_evaluation_is_resolved_once_for_all_models(counts: Counter[str]) -> None:
    few = planned(7, 3)
    created = counts[CREATED]
    counts.clear()
    assert len(planned(14, 3).cells) == 2 * len(few.cells)
    assert counts[CREATED] == created
