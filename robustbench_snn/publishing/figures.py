"""The figures of a page, each with its numbers as a table, and why those that are not there are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.leaderboard.timestep_curves import timestep_curves
from robustbench_snn.publishing.charts import Axis, Series, chart
from robustbench_snn.publishing.columns import Column
from robustbench_snn.publishing.series import (
    Records,
    Severities,
    eps_curve,
    mean_of,
    pareto_front,
    robust_column,
    severities,
    training_curves,
)

LINES = 8
"""Models that a chart of lines shows: more could not be told apart."""

PANELS = 12
"""Heat maps on the page of a table; each entry's page has its own."""

PERCENT = Axis("accuracy (%)", 0, 100)


@dataclass(frozen=True)
class Figure:
    """A chart with its numbers.

    Attributes:
        title: heading.
        svg: the chart.
        legend: names of its series, in order.
        headings: of the table of its numbers.
        rows: that table.
        note: what a reader must know; empty for nothing.
    """

    title: str
    svg: str
    legend: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Accuracy of one model by corruption and severity.

    Attributes:
        model: its name.
        label: of the evaluation.
        severities: the columns.
        rows: corruption, with its accuracy in [0, 1] by severity; None where it was not measured.
    """

    model: str
    label: str
    severities: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class Figures:
    """All figures of a page.

    Attributes:
        charts: lines and points.
        heat_maps: the most accurate model's first.
        missing: a sentence for each kind that could not be drawn.
        more: heat maps that are left to the pages of the entries.
    """

    charts: tuple[Figure, ...]
    heat_maps: tuple[HeatMap, ...]
    missing: tuple[str, ...]
    more: int = 0


def table_figures(table: Table, columns: Sequence[Column], records: Records) -> Figures:
    """The figures of a whole table: curves over eps, heat maps, curves over T, and Pareto fronts."""
    missing: list[str] = []
    names = {part["label"]: str(part["name"]) for part in table.protocol.get("evaluations", ()) if "label" in part}
    charts = [*_eps(table, records, missing), *_timesteps(table, names, missing)]
    robust = robust_column(columns, names)
    if robust is None:
        missing.append("robust accuracy against energy and parameters: no attack is in this table")
    else:
        charts += _fronts(table, robust, names, missing)
    maps = _heat_maps(table.rows, table.columns, records, missing)
    return Figures(tuple(charts), maps[:PANELS], tuple(missing), len(maps[PANELS:]))


def entry_figures(table: Table, row: Row, records: Records) -> Figures:
    """The figures of one entry: its training, and its own curves and heat maps."""
    alone, missing = table.model_copy(update={"rows": (row,)}), list[str]()
    names = {part["label"]: str(part["name"]) for part in table.protocol.get("evaluations", ()) if "label" in part}
    charts = [*_training(row, records, missing), *_eps(alone, records, missing), *_timesteps(alone, names, missing)]
    return Figures(tuple(charts), _heat_maps((row,), table.columns, records, missing), tuple(missing))


def _lines(
    title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    note: str = "",
    show: Callable[[float], str] = "{:.1f}".format,
) -> Figure:
    """A chart of lines, with a table of a row a series and a column an x."""
    drawn = series[:LINES]
    if len(series) > LINES:
        note = f"The first {LINES} of {len(series)} models are drawn. {note}".strip()
    across = sorted({point[0] for found in series for point in found.points})
    by_x = [dict(found.points) for found in series]
    rows = tuple(
        (found.name, *(show(values[at]) if at in values else "–" for at in across))
        for found, values in zip(series, by_x, strict=True)
    )
    headings = (x.label, *(f"{at:.4g}" for at in across))
    return Figure(title, chart(title, drawn, x, y), tuple(found.name for found in drawn), headings, rows, note)


def _eps(table: Table, records: Records, missing: list[str]) -> list[Figure]:
    found = []
    for label in table.columns:
        curves = [(row.model, eps_curve(row, label, records)) for row in table.rows]
        series = [
            Series(model, tuple((eps, 100 * share) for eps, share in points)) for model, points in curves if points
        ]
        if series:
            found.append(_lines(f"{label}: robust accuracy over ε", series, Axis("ε, in pixel units"), PERCENT))
    if not found:
        missing.append("robust accuracy over ε: no record has a curve (the evaluation epsilon_curve makes one)")
    return found


def _timesteps(table: Table, names: Mapping[str, str], missing: list[str]) -> list[Figure]:
    found = []
    note = "A ring marks the T of training."
    for label in (label for label in table.columns if names.get(label) == "timesteps"):
        if not any(label in row.cells for row in table.rows):
            continue
        for condition, curves in timestep_curves(table, label).items():
            series = [_over_t(curve.model, curve.trained, curve.accuracy) for curve in curves]
            title = f"{label}: accuracy over T" + (f", {condition}" if condition else "")
            found.append(_lines(title, series, Axis("T at inference"), PERCENT, note))
    if not found:
        missing.append("accuracy over T: no record has it (the evaluation timesteps makes it)")
    return found


def _over_t(model: str, trained: int, accuracy: Mapping[int, float]) -> Series:
    steps = list(accuracy)
    points = tuple((float(step), 100 * accuracy[step]) for step in steps)
    return Series(model, points, steps.index(trained) if trained in accuracy else None)


def _fronts(table: Table, robust: Column, names: Mapping[str, str], missing: list[str]) -> list[Figure]:
    found = [_front(table, robust, "parameters", {row.model: float(row.parameters) for row in table.rows})]
    profiles = [label for label in table.columns if names.get(label) == "profile"]
    energy = {
        row.model: row.cells[label].metrics["compute_energy_uj"]
        for label in profiles
        for row in table.rows
        if label in row.cells and "compute_energy_uj" in row.cells[label].metrics
    }
    if energy:
        found.append(_front(table, robust, "compute energy (µJ an image)", energy))
    else:
        missing.append("robust accuracy against energy: no record has an energy (the evaluation profile counts it)")
    return [figure for figure in found if figure is not None]


def _front(table: Table, robust: Column, cost: str, costs: Mapping[str, float]) -> Figure | None:
    """Robust accuracy against a cost, with the Pareto front."""
    scores = {
        row.model: 100 * score.accuracy
        for row in table.rows
        if (score := row.cells.get(robust.label)) and score.accuracy is not None and costs.get(row.model, 0) > 0
    }
    if not scores:
        return None
    points = {model: (costs[model], share) for model, share in scores.items()}
    front = pareto_front(points.values())
    series = [Series(model, (point,)) for model, point in points.items()]
    log = max(costs[model] for model in scores) > 20 * min(costs[model] for model in scores)
    svg = chart(
        f"{robust.heading} against {cost}",
        [*series, Series("Pareto front", tuple(front))],
        Axis(cost, log=log),
        Axis(f"{robust.heading} (%)"),
        joined=False,
        front=len(series),
    )
    rows = tuple(
        (model, f"{x:,.4g}", f"{y:.1f}", "on the front" if (x, y) in front else "") for model, (x, y) in points.items()
    )
    note = "The dashed line is the Pareto front of the means; whether two models differ is for the test to say."
    legend = tuple(points) if len(points) <= LINES else ()
    return Figure(
        f"{robust.heading} against {cost}", svg, legend, ("model", cost, f"{robust.heading} %", "Pareto"), rows, note
    )


def _training(row: Row, records: Records, missing: list[str]) -> list[Figure]:
    curves = training_curves(row, records)
    if not curves:
        missing.append("training curve: the training was not recorded with this version")
        return []
    found = []
    for key, title, axis, factor in (
        ("loss", "Training loss", Axis("loss"), 1),
        ("accuracy", "Training accuracy", PERCENT, 100),
    ):
        series = [
            Series(
                f"seed {seed}",
                tuple((float(epoch["epoch"]), factor * float(epoch[key])) for epoch in history if key in epoch),
            )
            for seed, history in curves.items()
            if any(key in epoch for epoch in history)
        ]
        if series:
            found.append(_lines(title, series, Axis("epoch"), axis, show="{:.3g}".format))
    return found


def _heat_maps(rows: Sequence[Row], labels: Sequence[str], records: Records, missing: list[str]) -> tuple[HeatMap, ...]:
    """The most robust model first."""
    found = [
        (row.model, label, by_kind) for label in labels for row in rows if (by_kind := severities(row, label, records))
    ]
    if not found:
        missing.append("corruption heat map: no record has accuracy by corruption and severity")
    return tuple(
        _heat_map(model, label, by_kind)
        for model, label, by_kind in sorted(found, key=lambda item: (labels.index(item[1]), -_mean(item[2])))
    )


def _heat_map(model: str, label: str, by_kind: Severities) -> HeatMap:
    columns = tuple(sorted({severity for shares in by_kind.values() for severity in shares}))
    rows = tuple((kind, tuple(shares.get(severity) for severity in columns)) for kind, shares in by_kind.items())
    return HeatMap(model, label, columns, rows)


def _mean(by_kind: Severities) -> float:
    return mean_of(mean_of(shares.values()) for shares in by_kind.values())
