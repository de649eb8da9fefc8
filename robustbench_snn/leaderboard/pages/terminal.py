"""A leaderboard on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from robustbench_snn.leaderboard.pages.escaping import visible
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
    return show_sections(found, f"{table.title} {version}")


def show_sections(found: Sequence[Section], heading: str) -> RenderableType:
    """Parts of a page, the first under this heading."""
    parts: list[RenderableType] = []
    for section in found:
        title = visible(section.title or heading)
        parts.append(Text(f"\n{title}", style="bold") if section.grid is None else _grid(section.grid, title))
        parts += [Text(f"· {visible(line)}", style="dim" if section.grid else "") for line in section.lines]
    return Group(*parts)


def _grid(grid: Grid, title: str) -> RichTable:
    shown = RichTable(title=Text(title, style="bold"), title_justify="left", header_style="bold")
    for index, heading in enumerate(grid.headings):
        shown.add_column(Text(visible(heading)), justify="left" if index == 0 else "right", overflow="fold")
    for row in grid.rows:
        shown.add_row(*(Text(visible(text)) for text in row))
    return shown
