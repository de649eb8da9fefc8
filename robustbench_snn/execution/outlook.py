"""A run's own account of itself: which cells are done, under way and left, and how long these will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from robustbench_snn.errors import StoreError
from robustbench_snn.execution.forecast import Forecast, Measured, Waiting, Work, forecast, work_of
from robustbench_snn.execution.standing import CellStanding, Counts, counted
from robustbench_snn.machine import cpu_name
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.spec.entry import ClassifierEntry
from robustbench_snn.store.checks import RECORD
from robustbench_snn.store.files import cell_keys
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, read_record
from robustbench_snn.training import resolve_recipe

LEARNT_FROM = 1000
"""How many of a store's records are read to learn from, the latest ones."""

SHARE = 20
"""An estimate stands for so many times as long as it took: no more than a twentieth of a run goes into them."""


class Outlook:
    """Counts a run's cells and estimates its end.

    Args:
        plan: the cells.
        standings: where they stand as the run begins.
        store: has records of like cells.
        device: that the run computes on.
        jobs: number of worker processes.
        fresh: whether what is done is computed again.
        clock: monotonic seconds.

    Attributes:
        counts: of the cells as the run begins.
    """

    def __init__(
        self,
        plan: Plan,
        standings: Sequence[CellStanding],
        store: Store,
        device: str,
        jobs: int = 1,
        fresh: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        found = counted(standings)
        self.counts = Counts(0, 0, found.total) if fresh else found
        self.plan = plan
        self._jobs, self._clock = jobs, clock
        self._cells = {_place(one.cell): one.cell for one in standings}
        self._left = {_place(one.cell): self._work(one.cell) for one in standings if fresh or one.state != "done"}
        self._began: dict[_Place, float] = {}
        self._until: dict[_Place, float] = {}
        self._measured: dict[_Place, Measured] = {}
        self._last: Forecast | None = None
        self._next = 0.0
        self._before = list(_learnt(store, device)) if self._left else []

    @property
    def total(self) -> int:
        """Number of cells, without those that a failed training leaves out."""
        return len(self._cells)

    @property
    def done(self) -> int:
        """How many have a record by now, those of earlier runs included."""
        return self.total - len(self._left)

    def begins(self, cell: Cell) -> None:
        """A cell is started."""
        self._began[_place(cell)] = self._clock()

    def trained(self, cell: Cell, epoch: int, epochs: int, seconds_left: float) -> None:
        """A training under way says how far it is: others of its kind can be expected to take as long."""
        place = _place(cell)
        self._until[place] = self._clock() + seconds_left
        if epoch < epochs and place in self._left:
            self._measured[place] = Measured(self._left[place], seconds_left * epochs / (epochs - epoch))

    def finished(self, cell: Cell, record: Record) -> None:
        """A cell has left its record; those of a failed training have nothing to evaluate."""
        place = _place(cell)
        work = self._left.pop(place, None)
        if record.status == "done" and work is not None and place in self._began:
            self._measured[place] = Measured(work, seconds_of(record))
        elif record.status == "failed":
            self._measured.pop(place, None)
            if isinstance(cell, TrainCell):
                for evaluation in self.plan.evaluations_of(cell):
                    self._left.pop(_place(evaluation), None)
                    self._cells.pop(_place(evaluation), None)

    def forecast(self) -> Forecast:
        """How long the cells that are left will take; with very many cells, as it was a moment ago."""
        now = self._clock()
        if self._last is not None and now < self._next:
            return self._last
        waiting = [
            Waiting(
                work,
                now - self._began[place] if place in self._began else 0.0,
                self._until[place] - now if place in self._until else None,
            )
            for place, work in self._left.items()
        ]
        self._last = forecast(waiting, [*self._before, *self._measured.values()], self._jobs)
        self._next = now + SHARE * (self._clock() - now)
        return self._last

    def _work(self, cell: Cell) -> Work:
        if isinstance(cell, EvaluateCell):
            return work_of(cell.identity, self.plan.count_of(cell))
        images = 0
        if isinstance(cell.model, ClassifierEntry) and cell.model.weights is None:
            images = resolve_recipe(cell.model.recipe).total_epochs * len(self.plan.dataset.train)
        return work_of(cell.identity, images)


_Place = tuple[str, int, int]
"""A cell within its plan: the training, the evaluation in the suite's list, and its part."""


def _place(cell: Cell) -> _Place:
    if isinstance(cell, TrainCell):
        return cell.peer_name, -1, 0
    return cell.train.peer_name, cell.entry, cell.part


def seconds_of(record: Record) -> float:
    """Wall time of a cell; of a training that was interrupted, that of all of its epochs."""
    epochs = sum(epoch.get("seconds", 0.0) for epoch in record.details.get("history", ()))
    return max(record.provenance.wall_seconds, float(epochs))


def _learnt(store: Store, device: str) -> Iterator[Measured]:
    """The times of a store's records from hardware like this."""
    hardware = _processor(torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name())
    paths = [store.folder(key) / RECORD for key in cell_keys(store.root)]
    for path in islice(sorted(paths, key=_written, reverse=True), LEARNT_FROM):
        try:
            record = read_record(path)
        except StoreError:  # whoever needs that very record says so
            continue
        if record.status == "done" and _processor(record.provenance.hardware) == hardware:
            images = sum(epoch.get("images", 0) for epoch in record.details.get("history", ()))
            yield Measured(work_of(record.identity, record.samples or images), seconds_of(record), here=False)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another run replaces it
        return 0.0


def _processor(hardware: str) -> str:
    return hardware.rpartition(", ")[0] if hardware.endswith(" threads") else hardware
