"""The picture of docs/events.md: simulated events of a few digits, frame by frame and added up.

Run from the repository's root: python docs/scripts/event_figures.py
"""

from __future__ import annotations

from pathlib import Path

import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.plotting.events import draw_event_frames
from robustbench_snn.plotting.saving import save_figure

FOLDER = Path(__file__).resolve().parents[1] / "figures"


def main() -> None:
    """Writes docs/figures/digits_events.png and .svg."""
    samples = load_dataset("digits_events", limit=3).test
    frames = samples.images(torch.arange(3))
    titles = [f"digit {label}" for label in samples.labels.tolist()]
    for path in save_figure(draw_event_frames(dict(zip(titles, frames, strict=True))), FOLDER / "digits_events"):
        print(path)


if __name__ == "__main__":
    main()
