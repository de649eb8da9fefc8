"""A table as grids of short texts, the same for every form of output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from robustbench_snn.leaderboard.table import Measure, Row, Score, Table
from robustbench_snn.reported import Number, ReportedSet


@dataclass(frozen=True)
class Grid:
    """Rows of text under headings; the first column is the model."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def make_grid(table: Table) -> Grid:
    """A row a model: its accuracies in percent, then n, T, parameters, seeds and flags.

    An accuracy reads ``93.5 (sd 0.7) [90.1, 95.8] †``: the mean over seeds, their standard deviation, the interval, and
    a dagger where its protocol does not compare. One seed has no standard deviation; an evaluation that lacks a seed
    or a condition has no accuracy.
    """
    columns = accuracy_columns(table)
    headings = ("model", *columns, "n", "T", "params", "seeds", "flags")
    rows = tuple(
        (
            f"{row.model} (baseline)" if row.model == table.baseline else row.model,
            *(_accuracy(row, label) for label in columns),
            str(table.samples),
            str(row.timesteps),
            f"{row.parameters:,}",
            _seeds(row),
            ", ".join(row_flags(row)),
        )
        for row in table.rows
    )
    return Grid(headings, rows)


def models_grid(table: Table) -> Grid:
    """A row a model: T, parameters, seeds."""
    rows = tuple((row.model, str(row.timesteps), f"{row.parameters:,}", _seeds(row)) for row in table.rows)
    return Grid(("model", "T", "params", "seeds"), rows)


def _seeds(row: Row) -> str:
    return ", ".join(map(str, row.seeds)) + (" (one network)" if len(row.seeds) == 1 else "")


def accuracy_columns(table: Table) -> list[str]:
    """Labels of the evaluations whose accuracy has a column."""
    return [
        label
        for label in table.columns
        if label not in table.repeats and any(_has_accuracy(row, label) for row in table.rows)
    ]


def best_first(rows: Iterable[Row], label: str) -> list[Row]:
    """Rows by their accuracy in a column, those that have none last."""
    return sorted(rows, key=lambda row: -1.0 if label not in row.cells else -(row.cells[label].accuracy or 0.0) - 2.0)


def row_flags(row: Row) -> list[str]:
    """Names of all flags of a row, failed evaluations among them."""
    flags = {flag for score in row.cells.values() for flag in score.flags}
    return sorted(flags) + [f"failed: {label}" for label in row.failures]


def comparisons(table: Table) -> Grid | None:
    """Every comparison with the baseline, a row each; None if there are none."""
    rows = tuple(
        (
            row.model,
            label,
            f"{100 * found.difference:+.1f}",
            f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}]",
            f"{found.p_value:.2g}",
            f"{found.adjusted_p_value:.2g}",
            found.scope,
            f"{found.seeds[0]} vs {found.seeds[1]}",
            f"{100 * found.minimum_detectable_effect:.1f}",
        )
        for label in table.columns
        for row in table.rows
        if label in row.cells and (found := row.cells[label].against)
    )
    headings = ("model", "under", "points", "interval", "p", "corrected p", "scope", "seeds", "detectable")
    return Grid(headings, rows) if rows else None


def ranks(table: Table) -> Grid | None:
    """Rank of every model in every column of accuracies; None if nothing is ranked."""
    columns = [label for label in table.columns if any(_rank(row, label) for row in table.rows)]
    if not columns:
        return None
    rows = tuple((row.model, *(str(_rank(row, label) or "–") for label in columns)) for row in table.rows)
    return Grid(("model", *(f"{label} ({_rank_scope(table, label)})" for label in columns)), rows)


def measures(table: Table) -> Grid | None:
    """The metrics that the table shows besides accuracies; None if there are none."""
    shown = shown_measures(table)
    if not shown:
        return None
    several = len({measure.label for measure in shown}) > 1
    headings = [f"{measure.label}: {measure.heading}" if several else measure.heading for measure in shown]
    rows = tuple((row.model, *(_measure(row, item) for item in shown)) for row in table.rows)
    return Grid(("model", *headings), rows)


def shown_measures(table: Table) -> list[Measure]:
    """The measures that some row has; an accuracy only where no other column shows it."""
    return [
        measure
        for measure in table.measures
        if any(measure.label in row.cells and measure.metric in row.cells[measure.label].metrics for row in table.rows)
        and (measure.metric != "accuracy" or measure.label in table.repeats)
    ]


def reported(table: Table) -> Grid | None:
    """Numbers of papers, as they state them; None if the table shows none."""
    return reported_grid(table.reported) if table.reported else None


def reported_grid(sets: Sequence[ReportedSet]) -> Grid:
    """A row a number, with its source and protocol in words."""
    rows = tuple(
        (
            number.model,
            group.dataset if number.of is None else f"{group.dataset}, {number.of}",
            group.metric,
            reported_number(number, group.unit),
            str(number.timesteps or "–"),
            str(group.source),
            group.protocol,
        )
        for found in sets
        for group in found.groups
        for number in group.numbers
    )
    return Grid(("model", "on", "metric", "reported", "T", "source", "protocol"), rows)


def reported_number(number: Number, unit: str) -> str:
    """A number as its authors state it, with its standard deviation and unit."""
    text = f"{number.value:,.2f}" if unit == "%" else f"{number.value:,.10g}"
    sd = "" if number.sd is None else f" ± {number.sd:g}"
    return f"{text}{sd} {unit}".strip()


def _rank(row: Row, label: str) -> int | None:
    return row.cells[label].rank if label in row.cells else None


def _rank_scope(table: Table, label: str) -> str:
    return "networks" if any(_rank(row, label) and row.cells[label].seeds == 1 for row in table.rows) else "methods"


def _measure(row: Row, measure: Measure) -> str:
    if measure.label in row.gaps:
        return _gap(row, measure.label)
    score = row.cells.get(measure.label)
    if measure.metric == "accuracy" and score is not None:
        return _share(score)
    value = None if score is None else score.metrics.get(measure.metric)
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if measure.heading.endswith("%") else f"{value:,.4g}"


def _has_accuracy(row: Row, label: str) -> bool:
    return (label in row.cells and row.cells[label].accuracy is not None) or label in row.gaps


def _accuracy(row: Row, label: str) -> str:
    if label in row.gaps:
        return _gap(row, label)
    return _share(row.cells[label]) if label in row.cells else "–"


def _gap(row: Row, label: str) -> str:
    gap = row.gaps[label]
    if 0 < gap.complete < gap.wanted:
        return f"{gap.complete} of {gap.wanted} seeds"
    return "failed" if label in row.failures else "–"


def _share(score: Score) -> str:
    if score.accuracy is None or score.low is None or score.high is None:
        return "–"
    sd = "" if score.sd is None else f" (sd {100 * score.sd:.1f})"
    text = f"{100 * score.accuracy:.1f}{sd} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
    return text if score.comparable else f"{text} †"
