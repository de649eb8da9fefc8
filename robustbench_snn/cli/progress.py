"""A run as it goes, on the terminal: what is done, what is under way, how long it will take."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from robustbench_snn.cli.training_progress import RichTrainingProgress, duration, training_display
from robustbench_snn.store.records import Record


class RunProgress:
    """Is a :class:`robustbench_snn.execution.session.Progress`; use it as a context manager.

    Finished cells are printed as lines; the one under way has a bar below them.

    Args:
        console: where to draw.
        cells: number of cells of the plan.
    """

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._live = training_display(console)
        self._total = self._live.add_task("cells", total=cells, facts="")
        self._done = self._cached = 0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def training(self, title: str) -> RichTrainingProgress:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        return RichTrainingProgress(title, live=self._live)

    def evaluating(self, title: str) -> Callable[[int, int], None]:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        task = self._live.add_task(title, total=None, facts="")

        def advance(done: int, total: int) -> None:
            self._live.update(task, completed=done, total=total, facts=f"{done}/{total} samples")

        return advance

    def finished(self, title: str, record: Record, cached: bool) -> None:
        """See :class:`robustbench_snn.execution.session.Progress`."""
        for task in self._live.task_ids:
            if task != self._total:
                self._live.remove_task(task)
        self._done += 1
        self._cached += cached
        self._live.update(self._total, completed=self._done, facts=f"{self._done} done, {self._cached} from before")
        if not cached:
            self._console.print(f"{title}: {_outcome(record)}", highlight=False, markup=False)


def _outcome(record: Record) -> str:
    spent = duration(record.provenance.wall_seconds)
    if record.failure is not None:
        return f"failed after {spent}"
    if "accuracy" in record.metrics:
        return f"{record.metrics['accuracy']:.1%} in {spent}"
    return f"done in {spent}"
