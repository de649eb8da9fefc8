"""Spreads, comparisons, corrections and ranks of a whole table, made anew from every seed's outcomes."""

from __future__ import annotations

from collections.abc import Mapping

from robustbench_snn.leaderboard.comparison import compare
from robustbench_snn.leaderboard.outcomes import Outcomes, Place
from robustbench_snn.leaderboard.ranking import rank_groups
from robustbench_snn.leaderboard.spread import spread
from robustbench_snn.leaderboard.statistics import adjust
from robustbench_snn.leaderboard.table import Against, Row, Score, Table


def assess(table: Table, outcomes: Outcomes) -> Table:
    """Makes all that a table says of its accuracies.

    A score without outcomes, or of a label that repeats another column, is neither compared nor ranked. Correction
    is over all comparisons of the table; within the ranking of a column, over all its pairs.

    Args:
        table: rows with metrics; what it says of intervals, comparisons and ranks is made anew.
        outcomes: of every complete score that has an accuracy.
    """
    shown = [place for place in outcomes.by_seed if place[1] not in table.repeats]
    against, ranks = _against(table, outcomes, shown), _ranks(table, outcomes, shown)
    rows = tuple(_assessed(row, table, outcomes, against, ranks) for row in table.rows)
    return table.model_copy(update={"rows": rows})


def _assessed(
    row: Row, table: Table, outcomes: Outcomes, against: Mapping[Place, Against], ranks: Mapping[Place, int]
) -> Row:
    cells: dict[str, Score] = {}
    for label, score in row.cells.items():
        place = (row.model, label)
        made: dict[str, object] = {"against": against.get(place), "rank": ranks.get(place)}
        if place in outcomes.by_seed:
            found = spread(outcomes.of(place), confidence=table.confidence)
            interval = found.interval
            made |= {
                "accuracy": found.mean,
                "seeds": found.seeds,
                "low": interval.low,
                "high": interval.high,
                "sd": found.sd,
            }
        cells[label] = score.model_copy(update=made)
    return row.model_copy(update={"cells": cells})


def _against(table: Table, outcomes: Outcomes, shown: list[Place]) -> dict[Place, Against]:
    baseline = table.baseline
    if baseline is None:
        return {}
    found = {
        (model, label): compare(
            outcomes.of((model, label)), outcomes.of((baseline, label)), confidence=table.confidence
        )
        for model, label in shown
        if model != baseline and (baseline, label) in outcomes.by_seed
    }
    corrected = adjust([comparison.p_value for comparison in found.values()], table.correction)
    return {
        place: Against.of(comparison, baseline, p_value)
        for (place, comparison), p_value in zip(found.items(), corrected, strict=True)
    }


def _ranks(table: Table, outcomes: Outcomes, shown: list[Place]) -> dict[Place, int]:
    """A group's rank is one more than the number of models in better groups."""
    ranks: dict[Place, int] = {}
    of_column: dict[str, list[str]] = {}
    for model, label in shown:
        of_column.setdefault(label, []).append(model)
    for column, names in of_column.items():
        if len(names) < 2:
            continue
        models = {model: outcomes.of((model, column)) for model in names}
        rank = 1
        for group in rank_groups(models, alpha=round(1 - table.confidence, 12)).groups:
            ranks |= {(model, column): rank for model in group}
            rank += len(group)
    return ranks
