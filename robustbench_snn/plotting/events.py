"""Pictures of event frames: each frame, and all of them added up; ON is red, OFF is blue."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from robustbench_snn.event.colours import coloured


def draw_event_frames(samples: Mapping[str, Tensor]) -> Figure:
    """One row a sample: its frames in order, and last their sum.

    Args:
        samples: event frames (F, 2, H, W) by title, such as one sample before and after a corruption.

    Raises:
        ValueError: if there are none, or they differ in F.
    """
    if len({len(frames) for frames in samples.values()}) != 1:
        raise ValueError("there must be samples, all of one number of frames")
    columns = len(next(iter(samples.values()))) + 1
    figure = Figure(figsize=(1.1 * columns, 1.25 * len(samples) + 0.3), layout="constrained")
    panels = figure.subplots(len(samples), columns, squeeze=False)
    for number, (title, frames) in enumerate(samples.items()):
        row = panels[number]
        most, whole = float(frames.max()), frames.sum(0)
        for step, frame in enumerate(frames):
            _show(row[step], coloured(frame, most), "" if number else f"frame {step + 1}")
        _show(row[-1], coloured(whole, float(whole.max())), "" if number else "sum")
        row[0].set_ylabel(title, fontsize="small")
    return figure


def _show(panel: Axes, colours: Tensor, title: str) -> None:
    panel.imshow(colours.movedim(0, -1).numpy(), interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_title(title, fontsize="small")
