"""Pictures of event frames: each frame, and all of them added up; ON is red, OFF is blue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor


def coloured(counts: Tensor, most: float) -> npt.NDArray[np.float32]:
    """Counts (2, H, W) as colours (H, W, 3) on white: ON takes green and blue away, OFF takes red and green.

    Args:
        counts: events by polarity and pixel, ON before OFF.
        most: the count of full colour.
    """
    on, off = (counts.to(torch.float32) / max(most, 1.0)).clamp(0.0, 1.0)
    return torch.stack([1.0 - off, (1.0 - on) * (1.0 - off), 1.0 - on], -1).numpy()


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


def _show(panel: Axes, colours: npt.NDArray[np.float32], title: str) -> None:
    panel.imshow(colours, interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_title(title, fontsize="small")
