"""The training line: epoch, loss, accuracy, speed, time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from robustbench_snn.cli.training_progress import RichTrainingProgress
from robustbench_snn.cli.words import duration


def test_the_line_tells_what_matters() -> None:
    stream = io.StringIO()
    with RichTrainingProgress("stf, seed 0", console=Console(file=stream, width=140, force_terminal=True)) as progress:
        progress.batch(1, 2, 1, 3, 1234.0)
        progress.epoch(1, 2, 0.5432, 0.875, 1234.0, 200.0)
    shown = stream.getvalue()
    for part in ("stf, seed 0", "epoch 1/2", "loss 0.543", "accuracy 87.5%", "1,234 images/s", "3 min 20 s left"):
        assert part in shown


def test_square_brackets_in_a_title_are_text() -> None:
    stream = io.StringIO()
    with RichTrainingProgress("[red]a[/] [/]", console=Console(file=stream, width=140)) as progress:
        progress.batch(1, 2, 1, 3, 1234.0)
    assert "[red]a[/] [/]" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (48.4, "48 s"), (59.9, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
