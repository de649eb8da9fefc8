"""A leaderboard on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from robustbench_snn.leaderboard.pages.escaping import visible
from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.sections import REPORTED, SAID, Section, sections, verdicts_in_short
from robustbench_snn.leaderboard.schema1.pages import first_sections
from robustbench_snn.leaderboard.table import AnyTable, Table


def render_terminal(table: AnyTable, version: str) -> RenderableType:
    """What ``rbsnn run`` and ``rbsnn leaderboard`` show, of a table of any schema."""
    if isinstance(table, Table):
        found = [_for_the_screen(section, table) for section in sections(table)]
    else:
        found = [Section(title, Grid(*grid), lines) for title, grid, lines in first_sections(table)]
    return show_sections(found, f"{table.title} {version}")


def _for_the_screen(section: Section, table: Table) -> Section:
    """What a section says, shorter where a page has the rest."""
    if section.title == SAID:
        return Section(SAID, None, tuple(verdicts_in_short(table)))
    if section.title == REPORTED and section.grid is not None:
        count = f"{len(section.grid.rows)} numbers of papers stand in the table's leaderboard.md and leaderboard.html"
        return Section(REPORTED, None, (f"{count}; they are neither ranked nor compared with those measured here.",))
    return section


def show_sections(found: Sequence[Section], heading: str) -> RenderableType:
    """Parts of a page, the first under this heading."""
    parts: list[RenderableType] = []
    for section in found:
        title = visible(section.title or heading)
        parts.append(Text(f"\n{title}", style="bold") if section.grid is None else _Folded(section.grid, title))
        parts += [Text(f"· {visible(line)}", style="dim" if section.grid else "") for line in section.lines]
    return Group(*parts)


class _Folded:
    """A grid as one table; on a narrow screen several, below each other, each with the first column."""

    def __init__(self, grid: Grid, title: str) -> None:
        self.grid, self.title = grid, title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, columns in enumerate(self._parts(options.max_width)):
            yield self._table(columns, self.title if number == 0 else None, options.max_width)

    def _parts(self, room: int) -> Iterator[list[int]]:
        """The columns of each table; one at least beside the first, however narrow the screen is."""
        first, *others = (self._width(column) for column in range(len(self.grid.headings)))
        columns, taken = [0], first + 1
        for column, width in enumerate(others, 1):
            if len(columns) > 1 and taken + width > room:
                yield columns
                columns, taken = [0], first + 1
            columns.append(column)
            taken += width
        yield columns

    def _width(self, column: int, *, whole: bool = False) -> int:
        """What a column needs, with its line and its margins; headings fold between words unless ``whole``."""
        heading = visible(self.grid.headings[column])
        words = [*([heading] if whole else heading.split()), *(visible(row[column]) for row in self.grid.rows)]
        return max((cell_len(word) for word in words), default=0) + 3

    def _table(self, columns: Sequence[int], title: str | None, room: int) -> RichTable:
        heading = None if title is None else Text(title, style="bold")
        shown = RichTable(title=heading, title_justify="left", header_style="bold")
        free = sum(self._width(column, whole=True) for column in columns) < room
        for column in columns:
            width = None if free else min(self._width(column) - 3, room // 2 - 4)  # rich would break words
            text = Text(visible(self.grid.headings[column]))
            shown.add_column(text, justify="left" if column == 0 else "right", overflow="fold", width=width)
        for row in self.grid.rows:
            shown.add_row(*(Text(visible(row[column])) for column in columns))
        return shown
