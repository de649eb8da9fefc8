"""The numbers of a table as a page shows them: text, sorting key, flags, and whether the test calls them best."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_snn.leaderboard.table import Row, Score, Table
from robustbench_snn.publishing.columns import Column


@dataclass(frozen=True)
class Number:
    """One cell of a page's table.

    Attributes:
        text: the number; a dash, or what is missing, where there is none.
        sort: what it sorts by; None sorts last.
        spread: standard deviation over seeds and interval, in words; empty for none.
        best: whether the column's test finds no model better.
        flags: checks that failed, in words.
        apart: whether it is of a protocol that compares with no other column.
        anchor: of its records on the entry's page; empty where there is no number.
    """

    text: str
    sort: float | None = None
    spread: str = ""
    best: bool = False
    flags: tuple[tuple[str, str], ...] = ()
    apart: bool = False
    anchor: str = ""


def number(table: Table, row: Row, column: Column) -> Number:
    """What a row has in a column."""
    if column.label in row.gaps:
        gap = row.gaps[column.label]
        return Number(f"{gap.complete} of {gap.wanted} seeds" if gap.complete else "failed or missing")
    score = row.cells.get(column.label)
    if score is None:
        return Number("failed" if column.label in row.failures else "–")
    value = score.accuracy if column.metric == "accuracy" else score.metrics.get(column.metric)
    if value is None:
        return Number("–")
    accuracy = column.metric == "accuracy"
    return Number(
        text=f"{100 * value:.1f}" if column.percent else f"{value:,.4g}",
        sort=value,
        spread=spread(score) if accuracy else "",
        best=accuracy and score.rank == 1,
        flags=tuple((flag, flag.replace("_", " ")) for flag in score.flags) if accuracy else (),
        apart=not score.comparable,
        anchor=anchor(table, column.label),
    )


def spread(score: Score) -> str:
    """Interval and standard deviation of an accuracy, in percent."""
    if score.low is None or score.high is None:
        return ""
    sd = "one seed" if score.sd is None else f"sd {100 * score.sd:.1f}"
    return f"{100 * score.low:.1f} to {100 * score.high:.1f}, {sd}"


def anchor(table: Table, label: str) -> str:
    """The id of an evaluation's section on the pages of a table's entries; labels may hold any text."""
    return f"evaluation-{table.columns.index(label) + 1}"
