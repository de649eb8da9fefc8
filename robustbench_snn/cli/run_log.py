"""A run as lines with the time, for what is no terminal: files, batch systems, CI."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console

from robustbench_snn.cli.words import duration, outcome, plan_lines, time_left, waiting
from robustbench_snn.execution.outlook import Outlook
from robustbench_snn.leaderboard.pages.escaping import visible
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.store.records import Record

EVERY = 30.0
"""Seconds between two lines of one cell about epochs or samples."""
WITHIN_EPOCH = 300.0
"""Seconds without any line of a training until one within an epoch is written."""


class RunLog:
    """Is a :class:`robustbench_snn.pipeline.RunWatcher`; use it as a context manager.

    Args:
        console: where to write.
        clock: monotonic seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self.clock = console, clock
        self.outlook: Outlook | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    def say(self, line: str) -> None:
        """Writes a line with the local time and its offset, ISO 8601."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        self._console.print(f"{now} {visible(line)}", highlight=False, markup=False, soft_wrap=True)

    def begins(self, outlook: Outlook) -> None:
        """See :class:`robustbench_snn.pipeline.RunWatcher`."""
        self.outlook = outlook
        for line in plan_lines(outlook):
            self.say(line)

    def training(self, cell: TrainCell) -> _TrainingLog:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._started(cell)
        return _TrainingLog(self, cell)

    def evaluating(self, cell: EvaluateCell) -> Callable[[int, int], None]:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self._started(cell)
        last = self.clock()

        def advance(done: int, total: int) -> None:
            nonlocal last
            if self.clock() >= last + EVERY:
                last = self.clock()
                self.say(f"{cell.title}: {done}/{total} samples")

        return advance

    def waiting(self, cell: Cell, owner: str) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self.say(waiting(cell, owner))

    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`; cells of earlier runs are in the plan's counts."""
        if (outlook := self.outlook) is not None:
            outlook.finished(cell, record)
        if not cached:
            left = f"; {outlook.done}/{outlook.total} cells, {time_left(outlook.forecast())}" if outlook else ""
            self.say(f"finished {cell.title}: {outcome(record)}{left}")

    def trained(self, cell: TrainCell, epoch: int, epochs: int, seconds_left: float) -> None:
        """An epoch of a training is done."""
        if self.outlook is not None:
            self.outlook.trained(cell, epoch, epochs, seconds_left)

    def _started(self, cell: Cell) -> None:
        if self.outlook is not None:
            self.outlook.begins(cell)
        self.say(f"started {cell.title}")


class _TrainingLog:
    """Lines of a training: its first and last epoch, and between them one in :data:`EVERY` seconds."""

    def __init__(self, log: RunLog, cell: TrainCell) -> None:
        self._log, self._cell = log, cell
        self._first, self._last = True, log.clock()

    def batch(self, epoch: int, epochs: int, batch: int, batches: int, images_per_second: float) -> None:
        if self._log.clock() >= self._last + WITHIN_EPOCH:
            self._say(f"epoch {epoch}/{epochs}, batch {batch}/{batches}, {images_per_second:,.0f} images/s")

    def epoch(
        self, epoch: int, epochs: int, loss: float, accuracy: float, images_per_second: float, seconds_left: float
    ) -> None:
        self._log.trained(self._cell, epoch, epochs, seconds_left)
        if self._first or epoch == epochs or self._log.clock() >= self._last + EVERY:
            self._first = False
            self._say(
                f"epoch {epoch}/{epochs}, loss {loss:.3f}, accuracy {accuracy:.1%}, {images_per_second:,.0f} images/s, "
                f"{duration(seconds_left)} left of this training"
            )

    def _say(self, line: str) -> None:
        self._last = self._log.clock()
        self._log.say(f"{self._cell.title}: {line}")
