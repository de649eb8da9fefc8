"""Tables as text for people: markdown, HTML, the terminal."""

from __future__ import annotations

from robustbench_snn.rendering.html import render_html
from robustbench_snn.rendering.markdown import render_index, render_markdown
from robustbench_snn.rendering.terminal import render_terminal

__all__ = ["render_html", "render_index", "render_markdown", "render_terminal"]
