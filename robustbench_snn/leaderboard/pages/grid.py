"""A table as a grid of short texts, the same for every form of output."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_snn.leaderboard.table import Cell, Measure, Row, Table


@dataclass(frozen=True)
class Grid:
    """Headings and rows of text; the first column is the model, the last the flags."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def make_grid(table: Table) -> Grid:
    """Accuracies in percent with Wilson's half-width (and the spread over seeds), then what the model is."""
    baselines = {cell.against.baseline for row in table.rows for cell in row.cells.values() if cell.against}
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
    flags = {flag for cell in row.cells.values() for flag in cell.flags}
    return sorted(flags) + [f"failed: {label}" for label in row.failures]


def differences(table: Table) -> Grid | None:
    """Every cell's paired difference to the baseline, in points; None for a table without a baseline."""
    rows = [row for row in table.rows if any(cell.against for cell in row.cells.values())]
    if not rows:
        return None
    shown = [label for label in table.columns if any(label in row.cells and row.cells[label].against for row in rows)]
    body = tuple((row.model, *(_difference(row.cells.get(label)) for label in shown)) for row in rows)
    return Grid(("model", *shown), body)


def measures(table: Table) -> Grid | None:
    """What the table shows besides accuracies; None if there is nothing."""
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


def _measure(cell: Cell | None, measure: Measure) -> str:
    value = None if cell is None else cell.metrics.get(measure.metric)
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if measure.heading.endswith("%") else f"{value:,.4g}"


def _has_accuracy(row: Row, label: str) -> bool:
    return label in row.failures or (label in row.cells and row.cells[label].accuracy is not None)


def _accuracy(row: Row, label: str) -> str:
    if label in row.failures:
        return "failed"
    cell = row.cells.get(label)
    if cell is None or cell.accuracy is None or cell.half_width is None:
        return "–"
    text = f"{100 * cell.accuracy:.1f} ± {100 * cell.half_width:.1f}"
    if cell.spread is not None:
        text += f" (sd {100 * cell.spread:.1f})"
    return text if cell.comparable else f"{text} †"


def _difference(cell: Cell | None) -> str:
    if cell is None or cell.against is None:
        return "–"
    against = cell.against
    return (
        f"{100 * against.difference:+.1f} [{100 * against.low:+.1f}, {100 * against.high:+.1f}], "
        f"p = {against.adjusted_p_value:.2g}"
    )
