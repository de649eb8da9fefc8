"""A run as it goes: bars on a terminal, lines with the time elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from robustbench_snn.cli.run_log import RunLog
from robustbench_snn.cli.training_progress import RichTrainingProgress, training_display
from robustbench_snn.cli.words import outcome, plan_lines, time_left, waiting
from robustbench_snn.execution.outlook import Outlook
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.store.records import Record


def watching(console: Console) -> RunProgress | RunLog:
    """Who shows a run there: bars for people, lines for files."""
    return RunProgress(console) if console.is_terminal else RunLog(console)


class RunProgress:
    """Is a :class:`robustbench_snn.pipeline.RunWatcher`; use it as a context manager.

    Finished cells are printed as lines; those under way have a bar below them.

    Args:
        console: where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = training_display(console)
        self._total = self._live.add_task("cells", total=None, facts="")
        self.outlook: Outlook | None = None
        self._lines: dict[str, RichTrainingProgress] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bars."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def begins(self, outlook: Outlook) -> None:
        """See :class:`robustbench_snn.pipeline.RunWatcher`."""
        self.outlook = outlook
        for line in plan_lines(outlook):
            self.say(line)
        self._tell()

    def training(self, cell: TrainCell) -> _Training:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        return _Training(self, cell, self._line(cell))

    def evaluating(self, cell: EvaluateCell) -> Callable[[int, int], None]:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        return self._line(cell).samples

    def waiting(self, cell: Cell, owner: str) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        self.say(waiting(cell, owner))

    def finished(self, cell: Cell, record: Record, cached: bool) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        if (line := self._lines.pop(cell.title, None)) is not None:
            line.close()
        if self.outlook is not None:
            self.outlook.finished(cell, record)
        if not cached:
            self.say(f"{cell.title}: {outcome(record)}")
        self._tell()

    def trained(self, cell: TrainCell, epoch: int, epochs: int, seconds_left: float) -> None:
        """An epoch of a training is done."""
        if self.outlook is not None:
            self.outlook.trained(cell, epoch, epochs, seconds_left)
        self._tell()

    def _line(self, cell: Cell) -> RichTrainingProgress:
        if self.outlook is not None:
            self.outlook.begins(cell)
        self._lines[cell.title] = line = RichTrainingProgress(cell.title, live=self._live)
        return line

    def _tell(self) -> None:
        if (outlook := self.outlook) is not None:
            facts = f"{outlook.done}/{outlook.total}, {time_left(outlook.forecast())}"
            self._live.update(self._total, completed=outlook.done, total=outlook.total, facts=facts)


class _Training:
    """Tells the line of a training, and the run that it is part of."""

    def __init__(self, run: RunProgress, cell: TrainCell, line: RichTrainingProgress) -> None:
        self._run, self._cell, self.batch, self._epoch = run, cell, line.batch, line.epoch

    def epoch(
        self, epoch: int, epochs: int, loss: float, accuracy: float, images_per_second: float, seconds_left: float
    ) -> None:
        self._epoch(epoch, epochs, loss, accuracy, images_per_second, seconds_left)
        self._run.trained(self._cell, epoch, epochs, seconds_left)
