"""A ranking in which models that the data do not tell apart share a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.comparison import Scope, checked_outcomes
from robustbench_snn.leaderboard.pairs import pair_p_values
from robustbench_snn.leaderboard.statistics import holm


@dataclass(frozen=True)
class Ranking:
    """Models in groups of equal rank.

    Attributes:
        groups: names, best group first; within a group by falling mean. The first of a group is its leader.
        scope: ``methods`` if every model has two seeds or more, else ``networks``.
    """

    groups: tuple[tuple[str, ...], ...]
    scope: Scope


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
        UserError: if outcomes are not in [0, 1], or not of the same number of samples.
    """
    outcomes = {name: checked_outcomes(found, name) for name, found in models.items()}
    if len({found.shape[1] for found in outcomes.values()}) > 1:
        raise UserError("the models have met different numbers of samples; give outcomes of the same samples")
    order = sorted(outcomes, key=lambda name: (-float(outcomes[name].mean()), name))
    adjusted = pair_p_values([outcomes[name] for name in order], alpha)
    pairs = np.triu_indices(len(order), 1)
    adjusted[pairs] = holm(adjusted[pairs])
    groups, left = [], np.arange(len(order))
    while len(left):
        leader, rest = left[0], left[1:]
        ties = adjusted[leader, rest] >= alpha
        groups.append(tuple(order[index] for index in (leader, *rest[ties])))
        left = rest[~ties]
    scope: Scope = "methods" if all(len(found) > 1 for found in outcomes.values()) else "networks"
    return Ranking(tuple(groups), scope)
