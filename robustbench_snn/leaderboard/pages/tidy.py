"""A table as plain rows, one a model and evaluation: what CSV and data frames hold."""

from __future__ import annotations

from typing import Any

from robustbench_snn.leaderboard.table import AnyTable, Row, Table


def tidy(table: AnyTable) -> list[dict[str, Any]]:
    """A row a model and evaluation, all with the same keys; shares in [0, 1], and None for what is not known.

    Metrics that the table shows besides accuracies have a column each, ``evaluation/metric``. A table of schema
    version 1 has no intervals, ranks and scopes.
    """
    if not isinstance(table, Table):
        return [
            {
                "model": row.model,
                "evaluation": label,
                "accuracy": score.accuracy,
                "sd": score.spread,
                "seeds": len(row.seeds),
                "samples": score.samples,
                "timesteps": row.timesteps,
                "parameters": row.parameters,
                "flags": ", ".join(score.flags),
                "comparable": score.comparable,
            }
            for row in table.rows
            for label, score in row.cells.items()
        ]
    return [
        _scored(table, row, label) if label in row.cells else _lacking(table, row, label)
        for row in table.rows
        for label in table.columns
        if label in row.cells or label in row.gaps
    ]


def _scored(table: Table, row: Row, label: str) -> dict[str, Any]:
    score = row.cells[label]
    found = _lacking(table, row, label) | {
        **{name: getattr(score, name) for name in ("accuracy", "low", "high", "sd", "rank", "seeds", "comparable")},
        "flags": ", ".join(score.flags),
        "lacks": "",
    }
    if against := score.against:
        found |= {
            "baseline": against.baseline,
            "difference": against.difference,
            "difference_low": against.low,
            "difference_high": against.high,
            "p_value": against.p_value,
            "adjusted_p_value": against.adjusted_p_value,
            "scope": against.scope,
            "minimum_detectable_effect": against.minimum_detectable_effect,
        }
    shown = [measure.metric for measure in table.measures if measure.label == label]
    return found | {f"{label}/{metric}": score.metrics.get(metric) for metric in shown}


def _lacking(table: Table, row: Row, label: str) -> dict[str, Any]:
    """All keys, in their order, of an evaluation that lacks seeds or conditions."""
    gap = row.gaps.get(label)
    return {
        "model": row.model,
        "evaluation": label,
        **dict.fromkeys(("accuracy", "low", "high", "sd", "rank")),
        "seeds": gap.complete if gap else 0,
        "samples": table.samples,
        "timesteps": row.timesteps,
        "parameters": row.parameters,
        "flags": "",
        "comparable": None,
        "lacks": gap.lacks if gap else "",
        **dict.fromkeys(("baseline", "difference", "difference_low", "difference_high", "p_value", "adjusted_p_value")),
        **dict.fromkeys(("scope", "minimum_detectable_effect")),
        **{f"{measure.label}/{measure.metric}": None for measure in table.measures},
    }
