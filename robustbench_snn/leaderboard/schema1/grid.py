"""A table of schema version 1 as grids of short texts."""

from __future__ import annotations

from typing import NamedTuple

from robustbench_snn.leaderboard.schema1.table import FirstTable, Measure, Row, Score


class Grid(NamedTuple):
    """Rows of text under headings; the first column is the model."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def make_grid(table: FirstTable) -> Grid:
    """A row a model: its accuracies in percent, then n, T, parameters, seeds and flags.

    An accuracy reads ``93.5 ± 3.4 (sd 0.7) †``: with Wilson's half-width, with the standard deviation over seeds where
    there are several, and with a dagger where its protocol does not compare.
    """
    baselines = {score.against.baseline for row in table.rows for score in row.cells.values() if score.against}
    columns = [*table.columns, *sorted({label for row in table.rows for label in row.cells} - set(table.columns))]
    shown = [label for label in columns if any(_has_accuracy(row, label) for row in table.rows)]
    headings = ("model", *shown, "n", "T", "params", "seeds", "flags")
    rows = tuple(
        (
            f"{row.model} (baseline)" if row.model in baselines else row.model,
            *(_accuracy(row, label) for label in shown),
            str(table.samples),
            str(row.timesteps),
            f"{row.parameters:,}",
            ", ".join(map(str, row.seeds)),
            ", ".join(row_flags(row)),
        )
        for row in table.rows
    )
    return Grid(headings, rows)


def row_flags(row: Row) -> list[str]:
    """Names of all flags of a row, failed evaluations among them."""
    flags = {flag for score in row.cells.values() for flag in score.flags}
    return sorted(flags) + [f"failed: {label}" for label in row.failures]


def differences(table: FirstTable) -> Grid | None:
    """Every score's paired difference to the baseline, in points of accuracy; None for a table without a baseline."""
    rows = [row for row in table.rows if any(score.against for score in row.cells.values())]
    if not rows:
        return None
    shown = [label for label in table.columns if any(label in row.cells and row.cells[label].against for row in rows)]
    body = tuple((row.model, *(_difference(row.cells.get(label)) for label in shown)) for row in rows)
    return Grid(("model", *shown), body)


def measures(table: FirstTable) -> Grid | None:
    """The metrics that the table shows besides accuracies; None if there are none."""
    shown = [
        measure
        for measure in table.measures
        if any(measure.label in row.cells and measure.metric in row.cells[measure.label].metrics for row in table.rows)
    ]
    if not shown:
        return None
    several = len({measure.label for measure in shown}) > 1
    headings = [f"{measure.label}: {measure.heading}" if several else measure.heading for measure in shown]
    rows = tuple((row.model, *(_measure(row.cells.get(item.label), item) for item in shown)) for row in table.rows)
    return Grid(("model", *headings), rows)


def _measure(score: Score | None, measure: Measure) -> str:
    value = None if score is None else score.metrics.get(measure.metric)
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if measure.heading.endswith("%") else f"{value:,.4g}"


def _has_accuracy(row: Row, label: str) -> bool:
    return label in row.failures or (label in row.cells and row.cells[label].accuracy is not None)


def _accuracy(row: Row, label: str) -> str:
    if label in row.failures:
        return "failed"
    score = row.cells.get(label)
    if score is None or score.accuracy is None or score.half_width is None:
        return "–"
    text = f"{100 * score.accuracy:.1f} ± {100 * score.half_width:.1f}"
    if score.spread is not None:
        text += f" (sd {100 * score.spread:.1f})"
    return text if score.comparable else f"{text} †"


def _difference(score: Score | None) -> str:
    if score is None or score.against is None:
        return "–"
    against = score.against
    return (
        f"{100 * against.difference:+.1f} [{100 * against.low:+.1f}, {100 * against.high:+.1f}], "
        f"p = {against.adjusted_p_value:.2g}"
    )
