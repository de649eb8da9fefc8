"""How long the cells that are left will take, learnt from like cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustbench_snn.digests import json_digest


@dataclass(frozen=True)
class Work:
    """What a cell's time depends on.

    Attributes:
        likeness: digests of what like cells share, from the most alike on to those that share least.
        amount: how much of it there is, in images of a training or an evaluation; time grows with it.
    """

    likeness: tuple[str, ...]
    amount: float


@dataclass(frozen=True)
class Measured:
    """A cell that is done, or far enough to say how long all of it takes.

    Attributes:
        work: what was done.
        seconds: wall time of it.
        here: whether in this run, whose times count before those of earlier ones: same machine, load and jobs.
    """

    work: Work
    seconds: float
    here: bool = True


@dataclass(frozen=True)
class Waiting:
    """A cell that is not done.

    Attributes:
        work: what is to be done.
        spent: seconds since it was started; 0 if it was not.
        remaining: seconds that it says itself it will go on, or None.
    """

    work: Work
    spent: float = 0.0
    remaining: float | None = None


@dataclass(frozen=True)
class Forecast:
    """How long it will take.

    Attributes:
        seconds: until the cells of known length are done.
        unknown: number of cells that nothing is known about; they come on top.
    """

    seconds: float
    unknown: int


def forecast(waiting: Sequence[Waiting], measured: Iterable[Measured], jobs: int = 1) -> Forecast:
    """The time that some cells will take together.

    A cell is expected to take what the cells took that are most like it, in proportion to its images. Several workers
    share the cells, and none ends before the longest cell does.

    Args:
        waiting: cells under way or not started.
        measured: cells to learn from.
        jobs: number of worker processes, at least 1.
    """
    rates = _rates(measured)
    expected = [_expected(one, rates) for one in waiting]
    known = [seconds for seconds in expected if seconds is not None]
    unknown = len(expected) - len(known)
    if not known:
        return Forecast(0.0, unknown)
    return Forecast(max(sum(known) / min(jobs, len(expected)), *known, 0.0), unknown)


def work_of(identity: Mapping[str, Any], images: int) -> Work:
    """What the time of a cell depends on.

    Args:
        identity: of the cell or its record.
        images: that it trains on in all epochs together, or evaluates; 0 where a model comes with its weights.
    """
    model, data = identity.get("model", {}), identity.get("dataset", {}).get("name")
    size = [model.get("backbone") or model.get("model"), model.get("timesteps"), data]
    levels: list[list[Any]]
    if "evaluation" in identity:
        what, name = identity["evaluation"], identity["evaluation"].get("name")
        levels = [[what, model, data], [what, size], [name, model, data], [name, size], [what, data], [name, data]]
    elif "recipe" in identity:
        what = identity["recipe"]
        levels = [[what, model, data], [what, size], [what, data]]
    else:
        levels = [["weights", model, data], ["weights"]]
    return Work(tuple(json_digest([place, *level]) for place, level in enumerate(levels)), max(images, 1))


def _rates(measured: Iterable[Measured]) -> dict[str, float]:
    """Seconds an image, by likeness: of this run where it has such a cell, else of earlier ones."""
    rates: dict[str, float] = {}
    every = list(measured)
    for here in (False, True):
        seconds: dict[str, float] = defaultdict(float)
        amounts: dict[str, float] = defaultdict(float)
        for one in (one for one in every if one.here is here):
            for likeness in one.work.likeness:
                seconds[likeness] += one.seconds
                amounts[likeness] += one.work.amount
        rates |= {likeness: seconds[likeness] / amounts[likeness] for likeness in seconds}
    return rates


def _expected(one: Waiting, rates: Mapping[str, float]) -> float | None:
    if one.remaining is not None:
        return max(one.remaining, 0.0)
    for likeness in one.work.likeness:
        if likeness in rates:
            return max(rates[likeness] * one.work.amount - one.spent, 0.0)
    return None
