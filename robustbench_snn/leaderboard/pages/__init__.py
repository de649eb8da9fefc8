"""Tables as text for people: markdown, HTML, the terminal."""

from __future__ import annotations

from robustbench_snn.leaderboard.pages.html import render_html
from robustbench_snn.leaderboard.pages.markdown import render_index, render_markdown
from robustbench_snn.leaderboard.pages.terminal import render_terminal

__all__ = ["render_html", "render_index", "render_markdown", "render_terminal"]
