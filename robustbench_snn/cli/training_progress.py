"""Progress of trainings and evaluations on the terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from robustbench_snn.cli.words import duration


class RichTrainingProgress:
    """One line a training: epoch, loss, accuracy, images a second, time left; or one an evaluation: samples.

    Is a :class:`robustbench_snn.training.TrainingProgress`; use it as a context manager, or hand in a running
    ``Progress`` to draw a line in it.

    Args:
        title: what is trained or evaluated.
        console: where to draw; None for the standard one. Ignored when ``live`` is given.
        live: a progress display that the caller runs, made by :func:`training_display`.
    """

    def __init__(self, title: str, *, console: Console | None = None, live: Progress | None = None) -> None:
        self._owned = live is None
        self._live = live or training_display(console)
        self._task = self._live.add_task(title, total=None, facts="")
        self._facts = ""

    def __enter__(self) -> Self:
        if self._owned:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owned:
            self._live.stop()

    def batch(self, epoch: int, epochs: int, batch: int, batches: int, images_per_second: float) -> None:
        """Moves the bar within the epoch."""
        self._live.update(
            self._task,
            completed=(epoch - 1) * batches + batch,
            total=epochs * batches,
            facts=f"epoch {epoch}/{epochs}  {self._facts}{images_per_second:,.0f} images/s",
        )

    def epoch(
        self, epoch: int, epochs: int, loss: float, accuracy: float, images_per_second: float, seconds_left: float
    ) -> None:
        """Shows the epoch's loss and training accuracy."""
        self._facts = f"loss {loss:.3f}  accuracy {accuracy:.1%}  "
        self._live.update(
            self._task,
            facts=f"epoch {epoch}/{epochs}  {self._facts}{images_per_second:,.0f} images/s  "
            f"{duration(seconds_left)} left",
        )

    def samples(self, done: int, total: int) -> None:
        """Moves the bar of an evaluation."""
        self._live.update(self._task, completed=done, total=total, facts=f"{done}/{total} samples")

    def close(self) -> None:
        """Takes the line away."""
        self._live.remove_task(self._task)


def training_display(console: Console | None = None) -> Progress:
    """An empty display for the lines of trainings."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[facts]}", markup=False),
        console=console,
    )
