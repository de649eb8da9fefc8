"""What an attack did: images, spikes, the breakdown of a cascade, a curve over eps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.event.colours import attacked
from robustbench_snn.model.target import Target
from robustbench_snn.spikes.distance import Recorded, SpikeDistance
from robustbench_snn.spikes.recording import watched

Images = NDArray[np.float32]


def draw_images(clean: Images, adversarial: Images, *, rows: int = 6) -> Figure:
    """Clean image, adversarial image and their difference, amplified until its largest value is visible.

    Event frames are shown added up, with the changed events for a difference.

    Args:
        clean: (M, C, H, W) in [0, 1], or event frames (M, F, 2, H, W).
        adversarial: the same shape.
        rows: how many of them.
    """
    count = min(rows, len(clean))
    events = clean.ndim == 5
    if events:
        pair = torch.from_numpy(clean[:count]), torch.from_numpy(adversarial[:count])
        clean, adversarial, changed = (part.numpy() for part in attacked(*pair))
    figure = Figure(figsize=(6.0, 2.0 * count), layout="constrained")
    axes = figure.subplots(count, 3, squeeze=False)
    for row in range(count):
        delta = adversarial[row] - clean[row]
        largest = float(np.abs(delta).max()) or 1.0
        titles = ("clean", "adversarial", "changed events" if events else f"difference x {0.5 / largest:.0f}")
        last = changed[row] if events else 0.5 + delta * 0.5 / largest
        for axis, image, title in zip(axes[row], (clean[row], adversarial[row], last), titles, strict=True):
            shown = image[0] if len(image) == 1 else np.moveaxis(image[:3], 0, -1)
            axis.imshow(np.clip(shown, 0.0, 1.0), cmap="gray", vmin=0.0, vmax=1.0)
            axis.set_title(title, fontsize=8)
            axis.set_axis_off()
    return figure


def spike_differences(target: Target, clean: Tensor, adversarial: Tensor) -> list[list[float]]:
    """Share of neurons whose spike differs between the two images, by layer and step.

    Args:
        target: the model.
        clean: (B, C, H, W).
        adversarial: the same shape.

    Raises:
        UserError: if the model has no spiking neurons.
    """
    if not target.neurons:
        raise UserError("this model has no spiking neurons, so there are no spikes to compare")
    with torch.no_grad():
        target(clean)  # at its first call a model is looked at, in passes that are not to be recorded
    before, after = Recorded(samples=len(clean)), Recorded(samples=len(clean))
    for images, recorded in ((clean, before), (adversarial, after)):
        with torch.no_grad(), watched(target.model, recorded.observe):
            target(images)
    distance = SpikeDistance()
    distance.add(before.layers(), after.layers())
    return list(distance.by_layer().values())


def draw_spikes(differences: Sequence[Sequence[float]]) -> Figure:
    """Share of changed spikes, layers down and steps across."""
    figure = Figure(figsize=(6.0, 0.4 * len(differences) + 1.5), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(np.asarray(differences), aspect="auto", cmap="magma", vmin=0.0)
    axis.set(xlabel="step", ylabel="layer of neurons", title="share of spikes that the attack changes")
    figure.colorbar(image)
    return figure


def draw_curve(points: Sequence[Mapping[str, float]]) -> Figure:
    """Robust accuracy over eps, from the ``curve`` of an ``epsilon_curve`` record."""
    figure = Figure(figsize=(5.0, 3.5), layout="constrained")
    axis = figure.subplots()
    axis.plot([p["eps"] for p in points], [100.0 * p["accuracy"] for p in points], marker="o")
    axis.set(xlabel="eps, in pixel units", ylabel="robust accuracy, %", ylim=(0.0, 101.0))
    axis.grid(alpha=0.3)
    return figure


def draw_changes(changes: Sequence[int], accuracies: Sequence[float]) -> Figure:
    """Robust accuracy over the number of changed events, from an ``event_l0`` record."""
    figure = Figure(figsize=(5.0, 3.5), layout="constrained")
    axis = figure.subplots()
    axis.step(changes, [100.0 * accuracy for accuracy in accuracies], where="post", marker="o")
    axis.set_xscale("symlog", linthresh=1.0)
    axis.set(xlabel="changed events", ylabel="robust accuracy, %", ylim=(0.0, 101.0))
    axis.grid(alpha=0.3)
    return figure


def draw_breakdown(stages: Sequence[Mapping[str, Any]]) -> Figure:
    """How many samples each stage broke, and robust accuracy after it, from the ``stages`` of a record."""
    if not stages:
        raise UserError("this record has no stages: it is not one of an attack")
    figure = Figure(figsize=(7.0, 0.35 * len(stages) + 1.2), layout="constrained")
    axis = figure.subplots()
    names = [str(stage["name"]) for stage in stages]
    bars = axis.barh(names, [stage["broken"] for stage in stages])
    labels = [
        f"{stage['broken']} of {stage['attacked']}, {100 * stage['robust_accuracy']:.1f} % left" for stage in stages
    ]
    axis.bar_label(bars, labels, padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.4)
    axis.set(xlabel="samples broken")
    return figure
