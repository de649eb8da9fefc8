"""Writing a figure: the same bytes for the same data."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from robustbench_snn.errors import UserError


def save_figure(figure: Figure, path: Path, *, dpi: int = 150) -> tuple[Path, Path]:
    """Writes a figure as PNG and as SVG.

    Args:
        figure: what to write.
        path: without a suffix, or with one of the two: ``curve`` and ``curve.png`` give ``curve.png`` and
            ``curve.svg``.
        dpi: pixels by inch of the PNG.

    Returns:
        both paths.

    Raises:
        UserError: if the files cannot be written.
    """
    known = path.suffix in (".png", ".svg")
    png, svg = (path.with_suffix(kind) if known else path.with_name(path.name + kind) for kind in (".png", ".svg"))
    with mpl.rc_context({"svg.hashsalt": "robustbench_snn", "svg.fonttype": "none"}):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(png, dpi=dpi)
            figure.savefig(svg, metadata={"Date": None})
        except OSError as error:
            raise UserError(f"cannot write {png}: {error.strerror}; name another file") from None
    return png, svg
