"""Leaderboards and their index as GitHub-flavoured markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustbench_snn.leaderboard.pages.escaping import code, markdown, markdown_line
from robustbench_snn.leaderboard.pages.grid import Grid, row_flags
from robustbench_snn.leaderboard.pages.sections import Section, sections
from robustbench_snn.leaderboard.schema1.pages import render_first_markdown
from robustbench_snn.leaderboard.table import AnyTable, Table


def render_markdown(table: AnyTable, version: str) -> str:
    """The page of one version, of a table of any schema."""
    if not isinstance(table, Table):
        return render_first_markdown(table, version)
    lines = [f"# {markdown(table.title)} {version}", ""]
    if table.description:
        lines += [markdown_line(table.description), ""]
    lines += render_sections(sections(table))
    if any(row_flags(row) for row in table.rows):
        lines += ["`rbsnn explain FLAG` says what a flag means.", ""]
    lines += [
        "## Records",
        "",
        "Every number, and the records in `records.jsonl` that it comes from (`rbsnn leaderboard --record KEY`):",
        "",
    ]
    for row in table.rows:
        for label, score in row.cells.items():
            keys = ", ".join(code(key[:12]) for key in score.records)
            lines.append(f"- {markdown_line(row.model)}, {markdown(label)}: {keys}")
    return "\n".join(lines) + "\n"


def render_sections(found: Sequence[Section]) -> list[str]:
    """Lines of parts of a page: heading, grid, sentences."""
    lines: list[str] = []
    for section in found:
        lines += [f"## {markdown(section.title)}", ""] if section.title else []
        lines += [*render_grid(section.grid), ""] if section.grid else []
        lines += [*(f"- {markdown_line(line)}" for line in section.lines), ""] if section.lines else []
    return lines


def render_index(
    newest: Mapping[str, AnyTable],
    versions: Mapping[str, Sequence[str]],
    withdrawn: Mapping[str, Mapping[str, str]],
) -> str:
    """results/README.md: all tables with all versions, and why some no longer count (reasons by table and version)."""
    lines = [
        "# Published leaderboards",
        "",
        "A version is never edited. The major number changes with the protocol, and numbers of different protocols",
        "do not compare; the minor one when entries are added or measured again.",
        "",
        "| table | newest | dataset | n | models | all versions |",
        "|---|---|---|---|---|---|",
    ]
    for name, table in newest.items():
        links = ", ".join(f"[{version}]({name}/{version}/leaderboard.md)" for version in versions[name])
        facts = (
            markdown(table.title),
            versions[name][-1],
            markdown(table.data),
            str(table.samples),
            str(len(table.rows)),
            links,
        )
        lines.append(f"| {' | '.join(facts)} |")
    reasons = [
        f"- {name} {version}: {markdown(why)}" for name, notes in withdrawn.items() for version, why in notes.items()
    ]
    if reasons:
        lines += ["", "Withdrawn, and kept as they were published:", "", *reasons]
    return "\n".join(lines) + "\n"


def render_grid(grid: Grid) -> list[str]:
    """Lines of a table."""
    lines = [_row(grid.headings), f"|{'---|' * len(grid.headings)}"]
    return lines + [_row(row) for row in grid.rows]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"
