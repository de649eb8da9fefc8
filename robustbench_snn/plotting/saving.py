"""Writing a figure: the same bytes for the same data."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Writes a figure as PNG and as SVG.

    Args:
        figure: what to write.
        path: without a suffix, or with any: ``curve`` and ``curve.png`` give ``curve.png`` and ``curve.svg``.

    Returns:
        both paths.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = path.suffix in (".png", ".svg")
    png, svg = (path.with_suffix(kind) if known else path.with_name(path.name + kind) for kind in (".png", ".svg"))
    with mpl.rc_context({"svg.hashsalt": "robustbench_snn", "svg.fonttype": "none"}):
        figure.savefig(png, dpi=150)
        figure.savefig(svg, metadata={"Date": None})
    return png, svg
