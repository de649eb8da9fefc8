"""Pictures of timestep sensitivity: accuracy over inference T, and T of training against T of inference."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from robustbench_snn.leaderboard.statistics import wilson
from robustbench_snn.leaderboard.table import AnyTable
from robustbench_snn.leaderboard.timestep_curves import timestep_curves
from robustbench_snn.leaderboard.timestep_matrix import TimestepMatrix
from robustbench_snn.plotting.saving import save_figure


def draw_timesteps(table: AnyTable, evaluation: str = "timesteps") -> Figure:
    """Accuracy over inference T for all models of a table, one panel a condition.

    A ring marks the T of training, a band Wilson's interval.
    """
    conditions = timestep_curves(table, evaluation)
    figure = Figure(figsize=(4.6 * len(conditions), 3.6), layout="constrained")
    panels = figure.subplots(1, len(conditions), sharey=True, squeeze=False)[0]
    for panel, (condition, curves) in zip(panels, conditions.items(), strict=True):
        for number, curve in enumerate(curves):
            color = f"C{number % 10}"
            steps, shares = list(curve.accuracy), [100 * share for share in curve.accuracy.values()]
            bands = [wilson(share, curve.samples, table.confidence) for share in curve.accuracy.values()]
            panel.plot(steps, shares, color=color, marker=".", label=curve.model)
            low, high = (
                [100 * bound for bound in side] for side in zip(*((b.low, b.high) for b in bands), strict=True)
            )
            panel.fill_between(steps, low, high, color=color, alpha=0.12, linewidth=0)
            if curve.trained in curve.accuracy:
                place = 100 * curve.accuracy[curve.trained]
                panel.plot(curve.trained, place, marker="o", color=color, fillstyle="none", markersize=9)
        panel.set_title(condition or evaluation)
        panel.set_xlabel("T at inference")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy (%)")
    panels[-1].legend(fontsize="small", title="ring: T of training", title_fontsize="x-small")
    return figure


def plot_timesteps(table: AnyTable, path: Path, evaluation: str = "timesteps") -> tuple[Path, Path]:
    """Writes :func:`draw_timesteps` as PNG and SVG.

    Raises:
        UserError: if no model of the table has such a curve.
    """
    return save_figure(draw_timesteps(table, evaluation), path)


def draw_timestep_matrix(matrix: TimestepMatrix) -> Figure:
    """The matrix as a heat map, T of training downwards, T of inference across; a frame where the two agree."""
    rows, columns = len(matrix.trained), len(matrix.inferred)
    figure = Figure(figsize=(1.8 + 0.55 * columns, 1.4 + 0.5 * rows), layout="constrained")
    axes = figure.subplots()
    values = [[math.nan if share is None else 100 * share for share in row] for row in matrix.accuracy]
    image = axes.imshow(values, cmap="viridis", aspect="auto")
    known = [value for row in values for value in row if not math.isnan(value)]
    middle = (min(known) + max(known)) / 2
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if not math.isnan(value):
                color = "black" if value > middle else "white"
                axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize="x-small", color=color)
                if matrix.trained[i] == matrix.inferred[j]:
                    axes.add_patch(_frame(i, j))
    axes.set_xticks(range(columns), [str(steps) for steps in matrix.inferred])
    axes.set_yticks(range(rows), [str(steps) for steps in matrix.trained])
    axes.set_xlabel("T at inference")
    axes.set_ylabel("T at training")
    axes.set_title(matrix.name)
    figure.colorbar(image, ax=axes, label="accuracy (%)")
    return figure


def plot_timestep_matrix(matrix: TimestepMatrix, path: Path) -> tuple[Path, Path]:
    """Writes :func:`draw_timestep_matrix` as PNG and SVG."""
    return save_figure(draw_timestep_matrix(matrix), path)


def _frame(row: int, column: int) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=2)
