"""A leaderboard as one HTML page that needs no network and runs no script."""

from __future__ import annotations

from html import escape

from robustbench_snn.leaderboard.pages.grid import Grid, differences, make_grid, measures
from robustbench_snn.leaderboard.pages.markdown import DIFFERENCE_NOTE, notes
from robustbench_snn.leaderboard.table import Table

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


def render_html(table: Table, version: str) -> str:
    """The page of one version."""
    heading = escape(f"{table.title} {version}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{heading}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{heading}</h1>",
        f"<p>{escape(table.description)}</p>" if table.description else "",
        _grid(make_grid(table)),
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes(table)) + "</ul>",
    ]
    measured = measures(table)
    if measured is not None:
        parts += ["<h2>Besides accuracy</h2>", _grid(measured)]
    compared = differences(table)
    if compared is not None:
        parts += ["<h2>Against the baseline</h2>", _grid(compared), f"<p>{escape(DIFFERENCE_NOTE)}</p>"]
    return "\n".join(part for part in [*parts, "</body></html>"] if part) + "\n"


def _grid(grid: Grid) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in grid.headings)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in grid.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
