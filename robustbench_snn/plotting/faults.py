"""Pictures of faults of hardware: accuracy over their rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from robustbench_snn.errors import UserError
from robustbench_snn.fault.curve import LOSS
from robustbench_snn.fault.kinds import NEURONS, RATELESS, RELATIVE, SYNAPSES
from robustbench_snn.leaderboard.statistics import wilson
from robustbench_snn.leaderboard.table import AnyTable
from robustbench_snn.plotting.saving import save_figure

ACROSS = 4
"""Panels in a row."""


def draw_faults(table: AnyTable, evaluation: str = "hardware_faults") -> Figure:
    """Accuracy over the rate of each fault for all models of a table, one panel a fault; a band is Wilson's interval.

    A dotted line marks five points below a model's clean accuracy. Faults without a rate share one more panel.

    Raises:
        UserError: if no model of the table has such a curve.
    """
    scores = {row.model: row.cells[evaluation] for row in table.rows if evaluation in row.cells}
    rated = [name for name in (*NEURONS, *SYNAPSES) if any(fault_points(one.metrics, name) for one in scores.values())]
    single = [name for name in RATELESS if any(f"accuracy_{name}" in one.metrics for one in scores.values())]
    panels = len(rated) + bool(single)
    if not panels:
        raise UserError(
            f"no model of table {table.name} has accuracy by rate under '{evaluation}'; it has "
            f"{', '.join(table.columns)}: add the evaluation hardware_faults to the suite, or name another"
        )
    across = min(ACROSS, panels)
    figure = Figure(figsize=(3.4 * across, 2.9 * math.ceil(panels / across)), layout="constrained")
    grid = figure.subplots(math.ceil(panels / across), across, sharey=True, squeeze=False).ravel()
    for number, (model, score) in enumerate(scores.items()):
        color = f"C{number % 10}"
        for panel, name in zip(grid, rated, strict=False):
            points = fault_points(score.metrics, name)
            bands = [wilson(share, score.samples, table.confidence) for share in points.values()]
            panel.plot(list(points), [100 * share for share in points.values()], color=color, marker=".", label=model)
            low, high = ([100 * getattr(band, side) for band in bands] for side in ("low", "high"))
            panel.fill_between(list(points), low, high, color=color, alpha=0.12, linewidth=0)
            panel.axhline(100 * (score.metrics["clean_accuracy"] - LOSS), color=color, linestyle=":", linewidth=1)
        shares = {
            name: 100 * score.metrics[f"accuracy_{name}"] for name in single if f"accuracy_{name}" in score.metrics
        }
        if shares:
            grid[len(rated)].plot(list(shares), list(shares.values()), color=color, marker="o", linestyle="none")
    for panel, name in zip(grid, rated, strict=False):
        panel.set(title=name, xscale="log", xlabel="relative deviation" if name in RELATIVE else "rate")
    if single:
        grid[len(rated)].set(title="quantised", xlabel="bits of a weight")
        grid[len(rated)].margins(x=0.5)
    for panel in grid[panels:]:
        panel.set_axis_off()
    for panel in grid[:panels]:
        panel.grid(alpha=0.3)
    for panel in grid[::across]:
        panel.set_ylabel("accuracy (%)")
    grid[0].legend(fontsize="small", title="dotted: 5 points lost", title_fontsize="x-small")
    return figure


def plot_faults(table: AnyTable, path: Path, evaluation: str = "hardware_faults") -> tuple[Path, Path]:
    """Writes :func:`draw_faults` as PNG and SVG.

    Raises:
        UserError: if no model of the table has such a curve.
    """
    return save_figure(draw_faults(table, evaluation), path)


def fault_points(metrics: Mapping[str, float], fault: str) -> Mapping[float, float]:
    """Accuracy in [0, 1] by the rates of a fault, rising; a rate of zero has no place on a log axis."""
    front = f"accuracy_{fault}_"
    found = {float(name.removeprefix(front)): share for name, share in metrics.items() if name.startswith(front)}
    return {rate: found[rate] for rate in sorted(found) if rate > 0}
