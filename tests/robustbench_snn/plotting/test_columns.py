"""Pictures of columns show the numbers of the table, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from robustbench_snn.errors import UserError
from robustbench_snn.plotting.columns import draw_columns, plot_columns
from tests.tables import row, score, table

ROWS = (
    row("direct", clean=score(0.8, low=0.7, high=0.9), fgsm=score(0.25), profile=score(None, metrics={})),
    row("stf", clean=score(0.6, low=0.5, high=0.65)),
)
TABLE = table(*ROWS, columns=("clean", "fgsm", "profile"))


def drawn(axes: Axes) -> tuple[list[float], list[list[float]]]:
    """Shares of the marks, and ends of the intervals, without the lines between columns and the legend's handles."""
    found = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in axes.lines]
    marks = [values[0] for values in found if len(values) == 1]
    ends = [values for values in found if len(values) == 2 and values != [0, 1]]
    return marks, ends


def test_marks_and_intervals_are_the_table_s() -> None:
    (axes,) = draw_columns(TABLE).axes
    marks, ends = drawn(axes)
    assert marks == [pytest.approx(share) for share in (80, 25, 60)]
    assert ends == [pytest.approx([70, 90]), pytest.approx([50, 65])]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["clean", "fgsm"]
    assert axes.get_xlabel() == "accuracy (%) of 200 samples, with its 95 % interval"
    heights = [
        np.asarray(line.get_ydata(), dtype=float) for line in axes.lines if len(np.asarray(line.get_xdata())) == 1
    ]
    assert [round(float(height[0])) for height in heights] == [0, 1, 0]


def test_columns_are_drawn_in_the_order_that_is_asked_for() -> None:
    (axes,) = draw_columns(TABLE, ["fgsm", "clean"]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fgsm", "clean"]
    (axes,) = draw_columns(TABLE, ["fgsm"]).axes
    marks, ends = drawn(axes)
    assert marks == [pytest.approx(25)]
    assert ends == []


def test_columns_of_other_samples_say_how_many() -> None:
    few = row("imp", fgsm=score(0.5, samples=64))
    (axes,) = draw_columns(table(*ROWS, few, columns=("clean", "fgsm"))).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["clean\n200 samples", "fgsm\n64 or 200 samples"]
    assert axes.get_xlabel() == "accuracy (%), with its 95 % interval"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["pgd"], "tab has no column 'pgd'; it has clean, fgsm, profile"),
        (["profile"], "tab has no accuracy in the columns profile; name others with --column"),
    ],
)
def test_what_cannot_be_drawn_is_said(columns: list[str], message: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        draw_columns(TABLE, columns)


def test_both_files_are_written_and_name_the_models(tmp_path: Path) -> None:
    png, svg = plot_columns(TABLE, tmp_path / "columns")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ">direct<" in svg.read_text()


@pytest.mark.parametrize(("name", "across"), [("a", 4), ("stf_tspe_only tdformer_v1", 2), ("x" * 60, 1)])
def test_the_names_of_all_models_are_inside_the_picture(name: str, across: int) -> None:
    figure = draw_columns(table(*(row(f"{name} {number}", clean=score()) for number in range(8))))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 8
    edges = legend.get_window_extent()
    assert figure.bbox.x0 <= edges.x0
    assert edges.x1 <= figure.bbox.x1
    assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == across
