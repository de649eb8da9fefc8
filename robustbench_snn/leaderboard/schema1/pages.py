"""The pages of tables of schema version 1, byte for byte as they were published."""

from __future__ import annotations

from html import escape

from robustbench_snn.leaderboard.schema1.grid import Grid, differences, make_grid, measures, row_flags
from robustbench_snn.leaderboard.schema1.table import FirstTable


def render_first_markdown(table: FirstTable, version: str) -> str:
    """The page of one version."""
    lines = [f"# {table.title} {version}", ""]
    if table.description:
        lines += [table.description, ""]
    lines += [*_markdown_grid(make_grid(table)), "", *(f"- {note}" for note in notes(table)), ""]
    measured = measures(table)
    if measured is not None:
        lines += ["## Besides accuracy", "", *_markdown_grid(measured), ""]
    compared = differences(table)
    if compared is not None:
        lines += ["## Against the baseline", "", *_markdown_grid(compared), "", DIFFERENCE_NOTE, ""]
    flags = sorted({flag for row in table.rows for flag in row_flags(row)})
    if flags:
        lines += ["`rbsnn explain FLAG` says what a flag means.", ""]
    lines += [
        "## Records",
        "",
        "Every number, and the records in `records.jsonl` that it comes from (`rbsnn leaderboard --record KEY`):",
        "",
    ]
    for row in table.rows:
        for label, score in row.cells.items():
            keys = ", ".join(f"`{key[:12]}`" for key in score.records)
            lines.append(f"- {row.model}, {label}: {keys}")
    return "\n".join(lines) + "\n"


DIFFERENCE_NOTE = (
    "Points of accuracy on the same samples: difference, paired bootstrap interval, and p-value (exact McNemar for "
    "one seed and one condition, else sign-flip permutation) corrected over all comparisons of this table."
)


def notes(table: FirstTable) -> list[str]:
    """What a reader must know to read the numbers."""
    percent = f"{100 * table.confidence:g} %"
    found = [
        f"accuracy in percent ± half-width of Wilson's {percent} interval for n = {table.samples} samples of "
        f"{table.dataset}; sd: standard deviation over training seeds",
        f"protocol {table.protocol_hash[:12]}: numbers compare only with those of the same protocol",
    ]
    if any(not score.comparable for row in table.rows for score in row.cells.values()):
        found.append("† the protocol of a paper, shown beside the correct one; not comparable with any other column")
    return found


def _markdown_grid(grid: Grid) -> list[str]:
    lines = [f"| {' | '.join(grid.headings)} |", f"|{'---|' * len(grid.headings)}"]
    return lines + [f"| {' | '.join(text.replace('|', '&#124;') for text in row)} |" for row in grid.rows]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { background: #f5f5f5; } th:first-child, td:first-child { text-align: left; font-weight: 600; }
tr:hover td { background: #fafaf0; } li, p { color: #555; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } th { background: #262626; } tr:hover td { background: #222; }
  th, td { border-color: #383838; } li, p { color: #aaa; }
}
"""


def first_sections(table: FirstTable) -> list[tuple[str, Grid, tuple[str, ...]]]:
    """Title, grid and notes of each part of the page; the first has no title."""
    found: list[tuple[str, Grid, tuple[str, ...]]] = [("", make_grid(table), tuple(notes(table)))]
    if (measured := measures(table)) is not None:
        found.append(("besides accuracy", measured, ()))
    if (compared := differences(table)) is not None:
        found.append(("against the baseline: points [interval], corrected p", compared, (DIFFERENCE_NOTE,)))
    return found


def render_first_html(table: FirstTable, version: str) -> str:
    """The page of one version."""
    heading = escape(f"{table.title} {version}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{heading}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{heading}</h1>",
        f"<p>{escape(table.description)}</p>" if table.description else "",
        _html_grid(make_grid(table)),
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes(table)) + "</ul>",
    ]
    measured = measures(table)
    if measured is not None:
        parts += ["<h2>Besides accuracy</h2>", _html_grid(measured)]
    compared = differences(table)
    if compared is not None:
        parts += ["<h2>Against the baseline</h2>", _html_grid(compared), f"<p>{escape(DIFFERENCE_NOTE)}</p>"]
    return "\n".join(part for part in [*parts, "</body></html>"] if part) + "\n"


def _html_grid(grid: Grid) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in grid.headings)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in grid.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
