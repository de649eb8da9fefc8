"""A part of a plan, for machines that know nothing of each other: their stores are joined afterwards."""

from __future__ import annotations

import re
from dataclasses import replace

from robustbench_snn.errors import UserError
from robustbench_snn.plan.plan import Plan, Shard


def parse_shard(text: str) -> Shard:
    """Reads ``2/4``.

    Raises:
        UserError: if it is none.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"a shard is I/N with 1 <= I <= N, such as 2/4; '{text}' is none")
    return Shard(int(found[1]), int(found[2]))


def shard_of(plan: Plan, shard: Shard) -> Plan:
    """Every ``count``-th training of a plan, with its evaluations.

    Evaluations that need the suite's other models are in no shard: they are computed when the stores are joined.

    Raises:
        UserError: if nothing is left for it.
    """
    train = plan.train[shard.number - 1 :: shard.count]
    if not train:
        raise UserError(f"shard {shard} is empty: the suite has {len(plan.train)} trainings; use fewer shards")
    chosen = set(train)
    evaluate = tuple(cell for cell in plan.evaluate if cell.train in chosen and not cell.needs_peers)
    return replace(plan, train=train, evaluate=evaluate, shard=shard)
