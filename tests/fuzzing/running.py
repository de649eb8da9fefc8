"""Damaged files read in a forked process, with a bound on its memory and a limit on each file's time."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from robustbench_snn.errors import UserError
from tests.fuzzing.formats import Format

MEMORY = 4 << 30
"""Bytes of address space that a child may take beyond what it was forked with; decoded images are kept up to 2 GiB."""

SECONDS, WAIT = 2.0, 20.0
"""Longest computing time for one file, and longest time by the clock, for what waits; who takes longer is killed."""

A_CHILD = 50
"""Files that one child reads."""


@dataclass
class Tally:
    """What became of damaged files.

    Attributes:
        refused: number that a :class:`UserError` refused.
        read: number that were read as if they were whole: the damage was in no place that counts, or was not seen.
        wrong: what should not happen, by seed: another exception, a death by signal, too much time.
        grown: most bytes by which a child's resident memory rose.
        slowest: seconds of computing that the slowest file took.
    """

    refused: int = 0
    read: int = 0
    wrong: dict[int, str] = field(default_factory=dict)
    grown: int = 0
    slowest: float = 0.0


def fuzz(form: Format, seeds: Sequence[int], folder: Path) -> Tally:
    """Damages and reads a format's file once a seed.

    Args:
        form: the format.
        seeds: of the damages.
        folder: empty.
    """
    target = form.make(folder)
    whole = target.read_bytes()
    with suppress(*([] if form.is_read else [UserError])):
        form.read(folder)  # undamaged, it must be read; it also imports what reading needs
    tally, left = Tally(), list(seeds)
    while left:
        reports, death = _child(form, left[:A_CHILD], folder, target, whole)
        for seed, said in zip(left, reports, strict=False):
            tally.grown, tally.slowest = max(tally.grown, said["grown"]), max(tally.slowest, said["seconds"])
            tally.refused += said["what"] == "refused"
            tally.read += said["what"] == "read"
            if said["what"] not in ("refused", "read"):
                tally.wrong[seed] = said["what"]
        if death is not None:
            tally.wrong[left[len(reports)]] = death
        left = left[len(reports) + (death is not None) :]
    target.write_bytes(whole)
    return tally


def _child(
    form: Format, seeds: Sequence[int], folder: Path, target: Path, whole: bytes
) -> tuple[list[dict[str, Any]], str | None]:
    """What a forked process says of one seed after the other, and what it died of, if not of its own will."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as said:
                for report in _read_all(form, seeds, folder, target, whole):
                    said.write(json.dumps(report) + "\n")
                    said.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        found = [json.loads(line) for line in lines]
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = signal.Signals(os.WTERMSIG(status))
        limits = {signal.SIGPROF: f"more than {SECONDS:g} s", signal.SIGALRM: f"it waits for more than {WAIT:g} s"}
        return found, limits.get(number, f"killed by {number.name}")
    return found, None if len(found) == len(seeds) else "the process ended"


def _read_all(form: Format, seeds: Sequence[int], folder: Path, target: Path, whole: bytes) -> Iterator[dict[str, Any]]:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # also inside a library's loop, where Python hears nothing
    logging.disable()
    warnings.simplefilter("ignore")
    before = _peak()
    for seed in seeds:
        target.write_bytes(form.mutate(whole, Random(seed)))
        form.settle(folder)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WAIT)
        what = _outcome(form, folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        yield {"what": what, "seconds": time.process_time() - begun, "grown": _peak() - before}


def _outcome(form: Format, folder: Path) -> str:
    try:
        form.read(folder)
    except UserError:
        return "refused"
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "robustbench_snn/" in frame.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:200]}"
    return "read"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
