"""The pictures of docs/events.md and docs/event-corruptions.md: simulated events of a few digits, clean and corrupted.

Run from the repository's root: python docs/scripts/event_figures.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure

from robustbench_snn.corruption.event_contract import ALL
from robustbench_snn.corruption.event_samples import CorruptedEvents
from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.event.colours import coloured
from robustbench_snn.plotting.events import draw_event_frames

FOLDER = Path(__file__).resolve().parents[1] / "figures"
SHOWN = (1, 3, 5)


def main() -> None:
    """Writes docs/figures/digits_events.png and docs/figures/event_corruptions.png."""
    samples = load_dataset("digits_events", limit=3).test
    frames = samples.images(torch.arange(3))
    titles = [f"digit {label}" for label in samples.labels.tolist()]
    figures = {
        "digits_events": draw_event_frames(dict(zip(titles, frames, strict=True))),
        "event_corruptions": draw_corruptions(samples),
    }
    for name, figure in figures.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=150)


def draw_corruptions(samples: Samples) -> Figure:
    """One row a corruption: the first sample's frames added up, clean and at some severities, in one scale."""
    where = torch.tensor([0])
    clean = samples.images(where)[0].sum(0)
    most = float(clean.max())
    figure = Figure(figsize=(7.0, 1.25 * len(ALL) + 0.3), layout="constrained")
    panels = figure.subplots(len(ALL), 1 + len(SHOWN), squeeze=False)
    for number, name in enumerate(ALL):
        made = [CorruptedEvents(samples, name, severity, seed=0).images(where)[0].sum(0) for severity in SHOWN]
        titles = ["clean", *(f"severity {severity}" for severity in SHOWN)]
        for panel, counts, title in zip(panels[number], [clean, *made], titles, strict=True):
            panel.imshow(coloured(counts, most).movedim(0, -1).numpy(), interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            panel.set_title("" if number else title, fontsize="small")
        panels[number][0].set_ylabel(name, fontsize="x-small", rotation=0, ha="right", va="center")
    return figure


if __name__ == "__main__":
    main()
