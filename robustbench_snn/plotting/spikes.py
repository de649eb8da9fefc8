"""Pictures of what the spikes do: distance of two spike trains by layer and step, and firing rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from robustbench_snn.errors import UserError
from robustbench_snn.plotting.saving import save_figure


def draw_spike_distance(details: Mapping[str, Any], condition: str | None = None, title: str = "") -> Figure:
    """Share of neurons whose spike differs between clean and changed images, layers downwards, steps across.

    Args:
        details: of a record of the evaluation ``profile``, with at least one condition.
        condition: which one; the first if None.
        title: heading; the condition's name if empty.

    Raises:
        UserError: if the record compares no such condition.
    """
    distances: Mapping[str, Any] = details.get("distance", {})
    chosen = next(iter(distances), None) if condition is None else condition
    if chosen is None or chosen not in distances:
        raise UserError(
            f"the profile compares {', '.join(distances) or 'no conditions'}"
            f"{'' if condition is None else f', not {condition}'}: list it in the evaluation's 'conditions'"
        )
    layers: Mapping[str, list[float]] = distances[chosen]["distance"]
    steps = max(len(row) for row in layers.values())
    values = [[*row, *[math.nan] * (steps - len(row))] for row in layers.values()]
    figure = Figure(figsize=(4.2 + 0.5 * steps, 1.2 + 0.24 * len(layers)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap="magma", aspect="auto", vmin=0.0)
    axes.set_xticks(range(steps), [str(step + 1) for step in range(steps)])
    axes.set_yticks(range(len(layers)), [short(name) for name in layers], fontsize="x-small")
    axes.set_xlabel("step")
    axes.set_title(title or chosen)
    figure.colorbar(image, ax=axes, label="share of neurons that differ")
    return figure


def plot_spike_distance(
    details: Mapping[str, Any], path: Path, condition: str | None = None, title: str = ""
) -> tuple[Path, Path]:
    """Writes :func:`draw_spike_distance` as PNG and SVG."""
    return save_figure(draw_spike_distance(details, condition, title), path)


def draw_firing_rates(details: Mapping[str, Any], title: str = "") -> Figure:
    """Firing rate, silent and saturated neurons of every layer, in percent.

    Raises:
        UserError: if the record's model has no spiking neurons.
    """
    layers = details.get("layers", [])
    if not layers:
        raise UserError("the profile has no layers of spiking neurons: its model is an ANN")
    figure = Figure(figsize=(6.4, 1.4 + 0.24 * len(layers)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    kinds = {"firing_rate": "firing rate", "silent": "silent", "saturated": "saturated"}
    for panel, (key, label) in zip(panels, kinds.items(), strict=True):
        panel.barh(range(len(layers)), [100 * layer[key] for layer in layers], color="C0")
        panel.set_xlabel(f"{label} (%)")
        panel.grid(alpha=0.3, axis="x")
    panels[0].set_yticks(range(len(layers)), [short(layer["name"]) for layer in layers], fontsize="x-small")
    panels[0].invert_yaxis()
    figure.suptitle(title)
    return figure


def plot_firing_rates(details: Mapping[str, Any], path: Path, title: str = "") -> tuple[Path, Path]:
    """Writes :func:`draw_firing_rates` as PNG and SVG."""
    return save_figure(draw_firing_rates(details, title), path)


def short(layer: str) -> str:
    """A layer's name without what all names share."""
    return layer.removeprefix("backbone.").removesuffix(".neuron")
