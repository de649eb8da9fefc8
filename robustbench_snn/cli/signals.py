"""Signals that end a command: what is under way is dropped in good order, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from robustbench_snn.errors import Stopped

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; a batch system or a shutdown; a terminal that is gone."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raises :class:`robustbench_snn.errors.Stopped` at the first such signal; a second one ends the process at once.

    One that is ignored already, as under nohup, stays so.
    """
    taken = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
