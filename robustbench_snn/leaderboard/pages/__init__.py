"""Tables as text for people: markdown, HTML, the terminal."""

from __future__ import annotations

from robustbench_snn.leaderboard.pages.github import render_github
from robustbench_snn.leaderboard.pages.html import render_html
from robustbench_snn.leaderboard.pages.markdown import render_index, render_markdown
from robustbench_snn.leaderboard.pages.plots import plots
from robustbench_snn.leaderboard.pages.terminal import render_terminal
from robustbench_snn.leaderboard.table import AnyTable, Table

__all__ = ["render_html", "render_index", "render_markdown", "render_pages", "render_terminal"]


def render_pages(table: AnyTable, version: str) -> dict[str, str]:
    """The pages that a version holds, by the names of their files, in the layout that its table names."""
    pages = {"leaderboard.html": render_html(table, version)}
    if not isinstance(table, Table) or not table.since("github"):
        return {"leaderboard.md": render_markdown(table, version), **pages}
    drawn = plots(table)
    named = {label: file for label, (file, _) in drawn.items()}
    return {"leaderboard.md": render_github(table, version, named), **pages, **dict(drawn.values())}
