"""A table for other programs and papers: CSV, LaTeX, JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

from robustbench_snn.leaderboard.pages.escaping import csv_cell, latex
from robustbench_snn.leaderboard.pages.grid import Grid, make_grid
from robustbench_snn.leaderboard.pages.sections import sections
from robustbench_snn.leaderboard.pages.tidy import tidy
from robustbench_snn.leaderboard.schema1.pages import first_sections
from robustbench_snn.leaderboard.table import AnyTable, Table


def to_csv(table: AnyTable) -> str:
    """A line a model and evaluation, see :func:`~robustbench_snn.leaderboard.pages.tidy.tidy`."""
    rows = tidy(table)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["model", "evaluation"], lineterminator="\n")
    writer.writerow({name: csv_cell(name) for name in writer.fieldnames})
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def to_latex(table: AnyTable, version: str) -> str:
    """A table with rules of the package booktabs: accuracies, then what a reader must know of them."""
    if isinstance(table, Table):
        grid, notes = make_grid(table), sections(table)[0].lines
    else:
        _, found, notes = first_sections(table)[0]
        grid = Grid(*found)
    lines = [
        "% \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{latex(f'{table.title} {version}')}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(grid.headings) - 1)}}}",
        "\\toprule",
        _line(grid.headings),
        "\\midrule",
        *map(_line, grid.rows),
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\footnotesize {latex(note)}." for note in notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_json(table: AnyTable) -> str:
    """All of a table, as its ``table.json`` holds it."""
    return table.model_dump_json(indent=1) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"


def _cell(value: Any) -> Any:
    return csv_cell(value) if isinstance(value, str) else value
