"""A ranking in which models that the data do not tell apart share a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from numpy.typing import ArrayLike

from robustbench_snn.leaderboard.comparison import Comparison, Scope, checked_outcomes, compare
from robustbench_snn.leaderboard.statistics import adjust


@dataclass(frozen=True)
class Ranking:
    """Models in groups of equal rank.

    Attributes:
        groups: names, best group first; within a group by falling mean. The first of a group is its leader.
        scope: ``methods`` if every model has two seeds or more, else ``networks``.
        comparisons: every pair, (better mean, worse mean).
        adjusted: their p-values after Holm's correction over all pairs.
    """

    groups: tuple[tuple[str, ...], ...]
    scope: Scope
    comparisons: Mapping[tuple[str, str], Comparison]
    adjusted: Mapping[tuple[str, str], float]


def rank_groups(models: Mapping[str, ArrayLike], *, alpha: float = 0.05) -> Ranking:
    """Ranks models, with ties by test.

    All pairs are compared, and Holm's correction covers all of them, because which model leads is itself read from
    the data. The model with the highest mean leads the first group; each model that does not differ from it at
    ``alpha`` joins it. The best of the rest leads the next group, and so on. Two models of different groups need not
    differ from each other: only the leader of a group is known to differ from the members of later groups.

    Args:
        models: outcomes by name, each (seeds, samples) or (samples,), the same samples in the same order.
        alpha: chance of any false difference among all pairs.

    Raises:
        UserError: as :func:`~robustbench_snn.leaderboard.comparison.compare` does.
    """
    outcomes = {name: checked_outcomes(found, name) for name, found in models.items()}
    order = sorted(outcomes, key=lambda name: (-float(outcomes[name].mean()), name))
    comparisons = {(a, b): compare(outcomes[a], outcomes[b], confidence=1 - alpha) for a, b in combinations(order, 2)}
    corrected = adjust([found.p_value for found in comparisons.values()], "holm")
    adjusted = dict(zip(comparisons, corrected, strict=True))
    groups = []
    while order:
        leader, rest = order[0], order[1:]
        groups.append((leader, *(name for name in rest if adjusted[leader, name] >= alpha)))
        order = [name for name in rest if adjusted[leader, name] < alpha]
    scope: Scope = "methods" if all(len(found) > 1 for found in outcomes.values()) else "networks"
    return Ranking(tuple(groups), scope, comparisons, adjusted)
