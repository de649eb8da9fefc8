"""Parts of a plan are disjoint, together they are the plan, and joined stores make the table of one machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.pages.markdown import render_markdown
from robustbench_snn.pipeline import compute_plan, run_plan
from robustbench_snn.plan.plan import Plan, Shard, make_plan
from robustbench_snn.plan.shards import parse_shard, shard_of
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.merging import merge_stores
from tests.tiny_suite import TINY

SUITE = TINY | {
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "imp", "encoder": "imp"}],
    "seeds": [0, 1],
    "evaluations": ["clean", {"transfer": {"eps": 0.01}}],
}


def planned() -> Plan:
    suite = parse_suite(SUITE)
    return make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4))
def test_shards_share_a_plan_out(count: int) -> None:
    plan = planned()
    shards = [shard_of(plan, Shard(number, count)) for number in range(1, count + 1)]
    trained = [cell.title for shard in shards for cell in shard.train]
    evaluated = [cell.title for shard in shards for cell in shard.evaluate]
    assert sorted(trained) == sorted(cell.title for cell in plan.train)
    assert sorted(evaluated) == sorted(cell.title for cell in plan.evaluate if not cell.needs_peers)


def test_joined_shards_make_the_table_of_one_machine(tmp_path: Path) -> None:
    for number, jobs in ((1, 1), (2, 2), (3, 1)):  # workers make the plan of a shard anew
        compute_plan(shard_of(planned(), Shard(number, 3)), tmp_path / str(number), RunSettings(jobs=jobs))
    merge_stores([tmp_path / str(number) for number in (1, 2, 3)], tmp_path / "all")
    joined = run_plan(planned(), tmp_path / "all", tmp_path / "results", RunSettings(), mode="draft").released.table
    whole = run_plan(planned(), tmp_path / "one", tmp_path / "results", RunSettings(), mode="draft").released.table
    assert render_markdown(joined, "draft") == render_markdown(whole, "draft")
    assert joined.rows == whole.rows


def test_what_is_no_shard_is_refused() -> None:
    for text in ("0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/2/3"):
        with pytest.raises(UserError, match="1 <= I <= N"):
            parse_shard(text)
    with pytest.raises(UserError, match="the suite has 4 trainings"):
        shard_of(planned(), Shard(5, 5))
