"""A leaderboard on the screen."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.sections import Section, sections
from robustbench_snn.leaderboard.schema1.pages import first_sections
from robustbench_snn.leaderboard.table import AnyTable, Table


def render_terminal(table: AnyTable, version: str) -> RenderableType:
    """What ``rbsnn run`` and ``rbsnn leaderboard`` show, of a table of any schema."""
    if isinstance(table, Table):
        found = sections(table)
    else:
        found = [Section(title, Grid(*grid), lines) for title, grid, lines in first_sections(table)]
    parts: list[RenderableType] = []
    for section in found:
        title = section.title or f"{table.title} {version}"
        parts.append(Text(f"\n{title}", style="bold") if section.grid is None else _grid(section.grid, title))
        parts += [Text(f"· {line}", style="dim" if section.grid else "") for line in section.lines]
    return Group(*parts)


def _grid(grid: Grid, title: str) -> RichTable:
    shown = RichTable(title=Text(title, style="bold"), title_justify="left", header_style="bold")
    for index, heading in enumerate(grid.headings):
        shown.add_column(Text(heading), justify="left" if index == 0 else "right", overflow="fold")
    for row in grid.rows:
        shown.add_row(*map(Text, row))
    return shown
