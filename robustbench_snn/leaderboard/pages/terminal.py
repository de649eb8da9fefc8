"""A leaderboard on the screen."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from robustbench_snn.leaderboard.pages.grid import Grid, differences, make_grid, measures
from robustbench_snn.leaderboard.pages.markdown import notes
from robustbench_snn.leaderboard.table import Table


def render_terminal(table: Table, version: str) -> RenderableType:
    """What ``rbsnn run`` and ``rbsnn leaderboard`` show."""
    parts: list[RenderableType] = [_grid(make_grid(table), f"{table.title} {version}")]
    measured = measures(table)
    if measured is not None:
        parts.append(_grid(measured, "besides accuracy"))
    compared = differences(table)
    if compared is not None:
        parts.append(_grid(compared, "against the baseline: points [interval], corrected p"))
    return Group(*parts, *(Text(f"· {note}", style="dim") for note in notes(table)))


def _grid(grid: Grid, title: str) -> RichTable:
    shown = RichTable(title=Text(title, style="bold"), title_justify="left", header_style="bold")
    for index, heading in enumerate(grid.headings):
        shown.add_column(Text(heading), justify="left" if index == 0 else "right", overflow="fold")
    for row in grid.rows:
        shown.add_row(*map(Text, row))
    return shown
