"""The matrix of T, and pictures that show the numbers they were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.table import Row, Score, Table
from robustbench_snn.leaderboard.timestep_curves import timestep_curves
from robustbench_snn.leaderboard.timestep_matrix import timestep_matrices
from robustbench_snn.plotting.spikes import draw_firing_rates, draw_spike_distance, plot_spike_distance
from robustbench_snn.plotting.timesteps import (
    draw_timestep_matrix,
    draw_timesteps,
    plot_timestep_matrix,
    plot_timesteps,
)


def row(encoder: str, trained: int, accuracies: dict[int, float], **more: float) -> Row:
    metrics = {"accuracy": 0.5, **{f"accuracy_T{steps}": share for steps, share in accuracies.items()}, **more}
    cell = Score(
        accuracy=0.5,
        seeds=1,
        samples=100,
        metrics=metrics,
        flags=(),
        comparable=True,
        records=("k",),
    )
    identity = {"encoder": {"name": encoder}, "backbone": {"name": "spikformer"}, "timesteps": trained}
    return Row(
        model=f"{encoder} T{trained}", identity=identity, timesteps=trained, parameters=1, seeds=(0,),
        cells={"timesteps": cell}, training=("t",),
    )  # fmt: skip


def table(*rows: Row) -> Table:
    return Table(
        name="quick", title="Quick", description="", suite="quick", protocol={}, protocol_hash="0", dataset="digits",
        samples=100, columns=("timesteps",), confidence=0.95, rows=rows,
    )  # fmt: skip


ROWS = (
    row("stf", 4, {1: 0.3, 2: 0.5, 4: 0.9, 8: 0.95}, **{"fog_3/accuracy_T4": 0.4, "fog_3/accuracy_T1": 0.2}),
    row("stf", 2, {1: 0.4, 2: 0.8, 4: 0.7}),
    row("direct", 4, {1: 0.1, 4: 0.6}),
)


def test_matrix_is_made_of_models_that_differ_in_T_alone() -> None:
    (matrix,) = timestep_matrices(table(*ROWS))
    assert matrix.name == "stf"
    assert matrix.trained == (2, 4)
    assert matrix.inferred == (1, 2, 4, 8)
    assert matrix.accuracy == ((0.4, 0.8, 0.7, None), (0.3, 0.5, 0.9, 0.95))
    with pytest.raises(UserError, match="several timesteps"):
        timestep_matrices(table(*ROWS[1:]))


def test_curves_by_condition() -> None:
    found = timestep_curves(table(*ROWS))
    assert list(found) == ["", "fog_3"]
    assert [curve.model for curve in found[""]] == ["stf T4", "stf T2", "direct T4"]
    assert found["fog_3"][0].accuracy == {1: 0.2, 4: 0.4}
    with pytest.raises(UserError, match="no model of table quick"):
        timestep_curves(table(*ROWS), "other")


def test_curve_plot_draws_every_model(tmp_path: Path) -> None:
    figure = draw_timesteps(table(*ROWS))
    first, second = figure.axes
    drawn: list[Any] = list(first.lines)
    lines = {line.get_label(): line for line in drawn}
    assert list(lines["stf T2"].get_xdata()) == [1, 2, 4]
    assert list(lines["stf T2"].get_ydata()) == [40, 80, 70]
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn if line.get_fillstyle() == "none"]
    assert rings == [(4, 90), (2, 80), (4, 60)]
    assert second.get_title() == "fog_3"
    written = plot_timesteps(table(*ROWS), tmp_path / "new" / "curve.png")
    assert [path.name for path in written] == ["curve.png", "curve.svg"]
    before = written[1].read_bytes()
    plot_timesteps(table(*ROWS), tmp_path / "new" / "curve")
    assert written[1].read_bytes() == before  # no date, no random ids
    assert all(path.stat().st_size > 1000 for path in written)


def test_heat_map_shows_the_numbers(tmp_path: Path) -> None:
    (matrix,) = timestep_matrices(table(*ROWS))
    figure = draw_timestep_matrix(matrix)
    shown = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert shown[1, 0] == "80.0"
    assert shown[3, 1] == "95.0"
    assert (3, 0) not in shown  # never measured
    patches: list[Any] = list(figure.axes[0].patches)
    frames = {(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in patches}
    assert frames == {(1, 0), (2, 1)}
    assert all(path.is_file() for path in plot_timestep_matrix(matrix, tmp_path / "v1.0"))
    assert (tmp_path / "v1.0.svg").is_file()


DETAILS = {
    "layers": [{"name": "encoder.neuron", "neurons": 4, "firing_rate": 0.25, "silent": 0.5, "saturated": 0.0}],
    "distance": {"fog_3": {"distance": {"encoder.neuron": [0.1, 0.2], "backbone.gate": [0.3]}, "chance": {}}},
}


def test_spike_distance_plot(tmp_path: Path) -> None:
    axes = draw_spike_distance(DETAILS).axes[0]
    shown = axes.images[0].get_array()
    assert shown is not None
    assert shown.tolist() == [[0.1, 0.2], [0.3, None]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["encoder", "gate"]
    assert axes.get_title() == "fog_3"
    with pytest.raises(UserError, match="compares fog_3, not clean"):
        draw_spike_distance(DETAILS, "clean")
    assert all(path.is_file() for path in plot_spike_distance(DETAILS, tmp_path / "distance"))


def test_firing_rate_plot() -> None:
    bars: list[Any] = [panel.patches[0] for panel in draw_firing_rates(DETAILS).axes]
    widths = [bar.get_width() for bar in bars]
    assert widths == [25, 50, 0]
    with pytest.raises(UserError, match="ANN"):
        draw_firing_rates({"layers": []})
