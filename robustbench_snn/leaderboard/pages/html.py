"""A leaderboard as one HTML page that needs no network and runs no script."""

from __future__ import annotations

from robustbench_snn.leaderboard.pages.escaping import html as escape
from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.sections import sections
from robustbench_snn.leaderboard.schema1.pages import render_first_html
from robustbench_snn.leaderboard.table import AnyTable, Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 110rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { background: #f5f5f5; } th:first-child, td:first-child { text-align: left; font-weight: 600; }
th.text, td.text { text-align: left; white-space: normal; min-width: 12rem; overflow-wrap: anywhere; }
tr:hover td { background: #fafaf0; } li, p { color: #555; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } th { background: #262626; } tr:hover td { background: #222; }
  th, td { border-color: #383838; } li, p { color: #aaa; }
}
"""


def render_html(table: AnyTable, version: str) -> str:
    """The page of one version, of a table of any schema."""
    if not isinstance(table, Table):
        return render_first_html(table, version)
    heading = escape(f"{table.title} {version}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{heading}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{heading}</h1>",
        f"<p>{escape(table.description)}</p>" if table.description else "",
    ]
    for section in sections(table):
        parts += [f"<h2>{escape(section.title)}</h2>"] if section.title else []
        parts += [_grid(section.grid)] if section.grid else []
        if section.lines:
            parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in section.lines) + "</ul>")
    return "\n".join(part for part in [*parts, "</body></html>"] if part) + "\n"


def _grid(grid: Grid) -> str:
    """A table in a box that scrolls; flags, which may be many, are broken into lines."""
    kinds = [' class="text"' if heading == "flags" else "" for heading in grid.headings]
    head = _cells("th", kinds, grid.headings)
    body = "\n".join(f"<tr>{_cells('td', kinds, row)}</tr>" for row in grid.rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _cells(tag: str, kinds: list[str], texts: tuple[str, ...]) -> str:
    return "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=True))
