"""Columns of a table side by side: what each evaluation leaves of each model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.schema1.table import Score as FirstScore
from robustbench_snn.leaderboard.table import AnyTable, Score
from robustbench_snn.plotting.saving import save_figure

_MARKERS = "osD^vP*X"


def draw_columns(table: AnyTable, columns: Sequence[str] = ()) -> Figure:
    """Accuracy (%) by column, downwards, a mark a model with the interval that the table gives.

    Args:
        table: any table.
        columns: labels of its columns, in the order to draw; all that have an accuracy without them.

    Raises:
        UserError: if a column is not in the table, or none of them has an accuracy.
    """
    unknown = [label for label in columns if label not in table.columns]
    if unknown:
        raise UserError(f"{table.name} has no column {unknown[0]!r}; it has {', '.join(table.columns)}")
    scores = {
        label: {
            row.model: row.cells[label]
            for row in table.rows
            if label in row.cells and row.cells[label].accuracy is not None
        }
        for label in columns or table.columns
    }
    shown = [label for label, found in scores.items() if found]
    if not shown:
        raise UserError(f"{table.name} has no accuracy in the columns {', '.join(scores)}; name others with --column")
    models = [row.model for row in table.rows if any(row.model in scores[label] for label in shown)]
    figure = Figure(figsize=(7.2, 1.3 + len(shown) * (0.22 + 0.13 * len(models))), layout="constrained")
    axes = figure.subplots()
    for number, model in enumerate(models):
        shift = 0.7 * ((number + 0.5) / len(models) - 0.5)
        for place, label in enumerate(shown):
            if (score := scores[label].get(model)) is None or score.accuracy is None:
                continue
            height, share = place + shift, 100 * score.accuracy
            if bounds := _bounds(score):
                axes.plot([100 * bound for bound in bounds], [height] * 2, color=f"C{number % 10}", alpha=0.45)
            axes.plot(share, height, marker=_MARKERS[number % len(_MARKERS)], color=f"C{number % 10}", linestyle="")
    handles = [
        axes.plot([], [], marker=_MARKERS[number % len(_MARKERS)], color=f"C{number % 10}", linestyle="")[0]
        for number in range(len(models))
    ]
    counts = {label: sorted({score.samples for score in scores[label].values()}) for label in shown}
    alike = all(count == counts[shown[0]] for count in counts.values())
    axes.set_yticks(range(len(shown)), shown if alike else [f"{label}\n{_words(counts[label])}" for label in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    for place in range(1, len(shown)):
        axes.axhline(place - 0.5, color="0.85", linewidth=0.8)
    axes.set_xlim(0, 100)
    of = f" of {_words(counts[shown[0]])}" if alike else ""
    axes.set_xlabel(f"accuracy (%){of}, with its {100 * table.confidence:g} % interval")
    axes.grid(axis="x", alpha=0.3)
    for across in range(min(len(models), 4), 0, -1):  # as many side by side as the longest names allow
        legend = figure.legend(handles, models, loc="outside upper center", ncols=across, frameon=False)
        if across == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return figure


def plot_columns(table: AnyTable, path: Path, columns: Sequence[str] = ()) -> tuple[Path, Path]:
    """Writes :func:`draw_columns` as PNG and SVG."""
    return save_figure(draw_columns(table, columns), path)


def _words(counts: Sequence[int]) -> str:
    return f"{' or '.join(map(str, counts))} samples"


def _bounds(score: Score | FirstScore) -> tuple[float, float] | None:
    if isinstance(score, Score):
        return None if score.low is None or score.high is None else (score.low, score.high)
    if score.accuracy is None or score.half_width is None:
        return None
    return score.accuracy - score.half_width, score.accuracy + score.half_width
